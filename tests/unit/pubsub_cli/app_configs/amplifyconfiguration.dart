const amplifyconfig = '''{
  "UserAgent": "aws-amplify-cli/2.0",
  "Version": "1.0",
  "auth": {
    "plugins": {
      "awsCognitoAuthPlugin": {
        "UserAgent": "aws-amplify-cli/0.1.0",
        "Version": "0.1.0",
        "IdentityManager": { "Default": {} },
        "CredentialsProvider": {
          "CognitoIdentity": {
            "Default": { "PoolId": "eu-west-1:11111111-2222-4333-8444-555555555555", "Region": "eu-west-1" }
          }
        },
        "CognitoUserPool": {
          "Default": { "PoolId": "eu-west-1_AbC12dEf3", "AppClientId": "1h57kf5cpq17m0eml12EXAMPLE", "Region": "eu-west-1" }
        },
        "Auth": { "Default": { "authenticationFlowType": "USER_SRP_AUTH", "usernameAttributes": ["EMAIL"] } }
      }
    }
  }
}''';
