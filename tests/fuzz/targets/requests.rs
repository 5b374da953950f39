//! Requests and responses of every method, in both their forms.
#![no_main]

use hypermesh_core::api::{METHODS, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Request, Response};
use hypermesh_fuzz::{select, text};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = select(input) else { return };
    let Some((method, bytes)) = select(rest) else { return };
    let method = METHODS[method % METHODS.len()];
    match which % 3 {
        0 => {
            let Ok(request) = Request::decode(method.service, method.name, bytes) else { return };
            assert!(bytes.len() <= REQUEST_BYTES_MAX && request.encode() == bytes);
            assert_eq!(request.method(), method);
        }
        1 => {
            let Ok(response) = Response::decode(method.service, method.name, bytes) else { return };
            assert!(bytes.len() <= RESPONSE_BYTES_MAX && response.encode() == bytes);
            serde_json::to_string(&response).expect("every response can be shown");
        }
        _ => {
            let Some(text) = text(bytes) else { return };
            let mut json = serde_json::Deserializer::from_str(text);
            let Ok(request) = Request::deserialize(method.service, method.name, &mut json) else { return };
            // What a person may write, the wire carries, unless it is too long for it.
            let bytes = request.encode();
            if bytes.len() <= REQUEST_BYTES_MAX {
                assert_eq!(Request::decode(method.service, method.name, &bytes), Ok(request));
            }
        }
    }
});
