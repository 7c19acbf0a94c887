//! A frame of process 1's protocol: refused, or a message whose own encoding it is.

#![no_main]

use clawbox_init::protocol::{FROM_INIT_BYTES, FromInit, Header, Sink, TO_INIT_BYTES, ToInit};
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

fuzz_target!(|frame: &[u8]| {
    let Some((header, payload)) = frame.split_first_chunk::<{ Header::BYTES }>() else {
        return;
    };
    for most in [TO_INIT_BYTES, FROM_INIT_BYTES] {
        if let Ok(header) = Header::decode(*header, most) {
            assert!(header.length <= most);
            assert_eq!(Header::decode(header.encode(), most), Ok(header));
        }
    }
    let kind = header[4];
    if let Ok(message) = ToInit::decode(kind, payload) {
        if let ToInit::Ask(questions) = message {
            assert_eq!(questions.iter().count(), questions.count() as usize);
        }
        let mut again = Bytes::default();
        message.encode(&mut again);
        assert_eq!((message.kind(), again.0.as_slice()), (kind, payload));
    }
    if let Ok(message) = FromInit::decode(kind, payload) {
        let mut again = Bytes::default();
        message.encode(&mut again);
        assert_eq!((message.kind(), again.0.as_slice()), (kind, payload));
    }
});
