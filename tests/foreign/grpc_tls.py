"""Calls a gRPC server over mutual TLS, both ends in this process: grpc_tls.py NAME SERVER CLIENT

SERVER and CLIENT are folders with key.pem, cert.pem, chain.pem and root.pem; CLIENT may be `none`, for a client that shows
no certificate. NAME is who the server must prove to be. Prints what came of the call, and exits with 0 if it was answered,
with 1 if it was not.
"""

import sys
from concurrent import futures
from pathlib import Path

import grpc

METHOD = "/mesh.Test/Echo"
CALL_SECONDS_MAX = 10


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, _context: request)


def read(folder):
    key, leaf, chain, root = ((Path(folder) / f"{name}.pem").read_bytes() for name in ("key", "cert", "chain", "root"))
    return key, leaf + chain, root


def main(name, server_folder, client_folder):
    key, certificates, root = read(server_folder)
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Echo()])
    proof = grpc.ssl_server_credentials([(key, certificates)], root_certificates=root, require_client_auth=True)
    port = server.add_secure_port("[::1]:0", proof)
    server.start()
    if client_folder == "none":
        proof = grpc.ssl_channel_credentials(root)
    else:
        key, certificates, root = read(client_folder)
        proof = grpc.ssl_channel_credentials(root, key, certificates)
    options = [("grpc.ssl_target_name_override", name)]
    try:
        with grpc.secure_channel(f"[::1]:{port}", proof, options) as channel:
            answer = channel.unary_unary(METHOD)(b"hello", timeout=CALL_SECONDS_MAX)
    except grpc.RpcError as error:
        print(error.code().name, error.details())
        return 1
    finally:
        server.stop(0)
    print("answered", answer.decode())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (RuntimeError, ValueError) as error:
        print("refused", error)
        sys.exit(1)
