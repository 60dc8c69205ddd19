/** The file that `pubsub outputs --format amplify-outputs` writes, declared here to check types without it. */
declare module '*/amplify_outputs.json' {
  const outputs: {
    version: string;
    auth: Record<string, unknown>;
    custom: {
      pubsub: {
        aws_region: string;
        endpoint: string;
        /** Missing in the outputs of older versions of the stack. */
        self_attach_url?: string;
        /** Missing in the outputs of older versions of the stack. */
        access_mode?: 'guarded' | 'unguarded' | 'least-privilege';
      };
      /** Only on the local cloud: the addresses of its Cognito. */
      cognito?: { user_pool_endpoint: string; identity_pool_endpoint: string };
    };
  };
  export default outputs;
}
