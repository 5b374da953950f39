"""Connects to HOST at PORT of ::1 and verifies it under CA and the revocation lists in CRL, one for each authority."""

import socket
import ssl
import sys

host, port, ca, crl = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_verify_locations(cafile=crl)
context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
with socket.create_connection(("::1", int(port)), timeout=10) as plain:
    try:
        context.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as refusal:
        sys.exit(f"refused: {refusal.verify_message}")
