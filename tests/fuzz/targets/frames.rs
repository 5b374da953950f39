//! STOQ: frames, headers, statuses, link headers, however the stream is cut into pieces.
#![no_main]

use hypermesh_fuzz::select;
use stoq::{content_again, take_frames};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    match which {
        0..128 => {
            let whole = take_frames(std::iter::once(bytes));
            let cut = take_frames(bytes.chunks(which + 1));
            assert_eq!(whole, cut, "how a stream is cut must not matter");
            let Some((frames, ended)) = whole else { return };
            let held: usize = frames.iter().map(|(_, payload)| payload.len() + 5).sum();
            assert!(held <= bytes.len() && (!ended || held == bytes.len()));
            for (kind, payload) in frames {
                content(kind, &payload);
            }
        }
        _ => content(u8::try_from(which % 5).expect("below 5"), bytes),
    }
});

fn content(kind: u8, bytes: &[u8]) {
    if let Some(again) = content_again(kind, bytes) {
        assert_eq!(again, bytes);
    }
}
