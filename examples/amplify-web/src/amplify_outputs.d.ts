/** What `pubsub outputs --format amplify-outputs` writes. Declared here, so that types can be checked without the file. */
declare module '*/amplify_outputs.json' {
  const outputs: {
    version: string;
    auth: Record<string, unknown>;
    custom: {
      pubsub: {
        aws_region: string;
        endpoint: string;
        /** Not in the outputs of a stack of an older version. */
        self_attach_url?: string;
        /** Not in the outputs of a stack of an older version. */
        access_mode?: 'guarded' | 'unguarded' | 'least-privilege';
      };
      /** Only where Cognito answers elsewhere than on AWS, as on the local cloud. */
      cognito?: { user_pool_endpoint: string; identity_pool_endpoint: string };
    };
  };
  export default outputs;
}
