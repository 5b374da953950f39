//! Generates the stubs of the two gRPC services, without a protocol compiler.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, input: &str, output: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(input)
            .output_type(output)
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let echo = Service::builder()
        .name("Echo")
        .package("peers")
        .method(method("echo", "Echo", "crate::grpc::Body", "crate::grpc::Body"))
        .build();
    // etcd's api/etcdserverpb/rpc.proto: what a put takes of it.
    let kv = Service::builder()
        .name("KV")
        .package("etcdserverpb")
        .method(method("put", "Put", "crate::etcd::PutRequest", "crate::etcd::PutResponse"))
        .build();
    Builder::new().compile(&[echo, kv]);
}
