//! The certificate authority: requests in, to-be-signed certificates out.
