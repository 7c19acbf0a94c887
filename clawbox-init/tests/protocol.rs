//! Both sides of the protocol: what is encoded is decoded to the same, and whatever comes is decoded or refused.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::ffi::CString;

use clawbox_init::protocol::{
    Command, End, FROM_INIT_BYTES, FromInit, Header, INPUT, Malformed, PIPES, Piece, Question,
    Questions, STRINGS, Sink, Step, Strings, TO_INIT_BYTES, ToInit, Why, check_name, put_text,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = CString> {
    vec(1..=u8::MAX, 0..40).prop_map(|bytes| CString::new(bytes).unwrap())
}

fn encode_texts(texts: &[CString]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for text in texts {
        put_text(&mut encoded, text);
    }
    encoded
}

/// Decodes a message's own encoding.
#[track_caller]
fn to_init_survives(message: ToInit<'_>) {
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(ToInit::decode(message.kind(), &encoded), Ok(message));
    shorter_or_longer_is_refused(&encoded, |bytes| {
        ToInit::decode(message.kind(), bytes).err()
    });
}

#[track_caller]
fn from_init_survives(message: FromInit<'_>) {
    let mut encoded = Vec::new();
    message.encode(&mut encoded);
    assert_eq!(FromInit::decode(message.kind(), &encoded), Ok(message));
    if !matches!(message, FromInit::Answer { .. }) {
        shorter_or_longer_is_refused(&encoded, |bytes| {
            FromInit::decode(message.kind(), bytes).err()
        });
    }
}

#[track_caller]
fn shorter_or_longer_is_refused(bytes: &[u8], refused: impl Fn(&[u8]) -> Option<Malformed>) {
    for length in 0..bytes.len() {
        assert_eq!(
            refused(&bytes[..length]),
            Some(Malformed::Short),
            "cut to {length} bytes"
        );
    }
    let longer = [bytes, &[0]].concat();
    assert_eq!(refused(&longer), Some(Malformed::Trailing));
}

#[derive(Debug, Clone)]
enum Asked {
    Path(u8, CString),
    Call(u64, [u64; 6]),
    Socket([u32; 3]),
}

impl Asked {
    fn question(&self) -> Question<'_> {
        match *self {
            Self::Path(0, ref path) => Question::Read(path),
            Self::Path(1, ref path) => Question::List(path),
            Self::Path(2, ref path) => Question::Link(path),
            Self::Path(3, ref path) => Question::Stat(path),
            Self::Path(_, ref path) => Question::Identity(path),
            Self::Call(number, arguments) => Question::Call { number, arguments },
            Self::Socket([family, kind, protocol]) => Question::Socket {
                family,
                kind,
                protocol,
            },
        }
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        (0..5u8, text()).prop_map(|(kind, path)| Asked::Path(kind, path)),
        any::<(u64, [u64; 6])>().prop_map(|(number, arguments)| Asked::Call(number, arguments)),
        any::<[u32; 3]>().prop_map(Asked::Socket),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        any::<u8>().prop_map(End::Code),
        any::<u8>().prop_map(End::Signal)
    ]
}

proptest! {
    #[test]
    fn questions_are_read_as_they_were_written(asked in vec(asked(), 0..20)) {
        let mut encoded = Vec::new();
        for asked in &asked {
            asked.question().encode(&mut encoded);
        }
        let count = u32::try_from(asked.len()).unwrap();
        let questions = Questions::new(count, &encoded).unwrap();
        prop_assert_eq!(questions.count(), count);
        prop_assert!(questions.iter().eq(asked.iter().map(Asked::question)));
        to_init_survives(ToInit::Ask(questions));
    }

    #[test]
    fn a_command_is_read_as_it_was_written(
        run: u32,
        deadline_ms: u64,
        directory in text(),
        argv in vec(text(), 0..10),
        env in vec(text(), 0..10),
    ) {
        let [argv_bytes, env_bytes] = [&argv, &env].map(|texts| encode_texts(texts));
        let strings = |texts: &[CString], bytes| Strings::new(u32::try_from(texts.len()).unwrap(), bytes).unwrap();
        let command = Command {
            deadline_ms,
            directory: &directory,
            argv: strings(&argv, &argv_bytes),
            env: strings(&env, &env_bytes),
        };
        prop_assert!(command.argv.iter().eq(argv.iter().map(CString::as_c_str)));
        prop_assert!(command.env.iter().eq(env.iter().map(CString::as_c_str)));
        to_init_survives(ToInit::Run { run, command });
    }

    #[test]
    fn all_other_messages_are_read_as_they_were_written(
        run: u32,
        number: u32,
        result: i64,
        bytes in vec(any::<u8>(), 0..100),
        step in 0..5u8,
        end in end(),
        by_deadline: bool,
        oom_kills: Option<u64>,
    ) {
        to_init_survives(ToInit::Signal { run, signal: number });
        to_init_survives(ToInit::End);
        from_init_survives(FromInit::Hello { version: run, pid: number });
        from_init_survives(FromInit::Answer { result, bytes: &bytes });
        from_init_survives(FromInit::Started { run });
        let step = Step::decode(step).unwrap();
        from_init_survives(FromInit::Failed { run, step, errno: number });
        from_init_survives(FromInit::Ended { run, end, by_deadline, oom_kills });
    }

    /// Whatever comes is refused, or is a message whose own encoding it is.
    #[test]
    fn what_is_read_is_what_was_written(kind in 0..8u8, bytes in vec(prop_oneof![0..3u8, any::<u8>()], 0..60)) {
        let mut again = Vec::new();
        if let Ok(message) = ToInit::decode(kind, &bytes) {
            prop_assert_eq!(message.kind(), kind);
            message.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
        }
        let mut again = Vec::new();
        if let Ok(message) = FromInit::decode(kind, &bytes) {
            prop_assert_eq!(message.kind(), kind);
            message.encode(&mut again);
            prop_assert_eq!(&again, &bytes);
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written_or_refused(bytes: [u8; 8], most: u32) {
        match Header::decode(bytes, most) {
            Ok(header) => {
                prop_assert!(header.length <= most);
                prop_assert!([0, INPUT, PIPES].contains(&header.pipes));
                prop_assert_eq!(header.encode(), bytes);
            }
            Err(Malformed::TooLong) => prop_assert!(u32::from_le_bytes(bytes[..4].try_into().unwrap()) > most),
            Err(refused) => {
                prop_assert_eq!(refused, Malformed::Value);
                prop_assert!(bytes[6..] != [0, 0] || ![0, INPUT, PIPES].contains(&bytes[5]));
            }
        }
    }
}

#[test]
fn a_headers_length_is_bounded_by_its_direction() {
    for most in [TO_INIT_BYTES, FROM_INIT_BYTES] {
        let header = |length| Header {
            length,
            kind: 1,
            pipes: 3,
        };
        assert_eq!(
            Header::decode(header(most).encode(), most),
            Ok(header(most))
        );
        assert_eq!(
            Header::decode(header(most + 1).encode(), most),
            Err(Malformed::TooLong)
        );
    }
}

#[test]
fn a_string_has_its_nul_at_its_end_and_nowhere_else() {
    let strings = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let encoded = [&length[..], bytes].concat();
        Strings::new(1, &encoded).map(|strings| strings.count())
    };
    assert_eq!(strings(b"a\0"), Ok(1));
    assert_eq!(strings(b"\0"), Ok(1));
    for wrong in [&b""[..], b"a", b"a\0b\0", b"\0\0"] {
        assert_eq!(strings(wrong), Err(Malformed::Text), "{wrong:?}");
    }
}

#[test]
fn there_are_no_more_strings_than_a_process_has_room_for() {
    let many = encode_texts(&vec![CString::default(); STRINGS as usize + 1]);
    let (_, fewer) = many.split_at(5);
    assert_eq!(
        Strings::new(STRINGS, fewer).map(|strings| strings.count()),
        Ok(STRINGS)
    );
    assert_eq!(Strings::new(STRINGS + 1, &many), Err(Malformed::TooLong));

    let mut command = Vec::new();
    command.put(&[0; 12]);
    put_text(&mut command, c"/");
    command.put(&(STRINGS + 1).to_le_bytes());
    command.put(&many);
    command.put(&[0; 4]);
    assert_eq!(ToInit::decode(2, &command), Err(Malformed::TooLong));
}

#[track_caller]
fn piece_survives(piece: Piece<'_>) {
    let mut encoded = Vec::new();
    piece.encode(&mut encoded);
    assert_eq!(Piece::decode(piece.kind(), &encoded), Ok(piece));
    if !matches!(piece, Piece::Data(_)) {
        shorter_or_longer_is_refused(&encoded, |bytes| Piece::decode(piece.kind(), bytes).err());
    }
}

proptest! {
    #[test]
    fn every_piece_of_a_transfer_survives(
        name in text(),
        bytes in vec(any::<u8>(), 0..50),
        numbers in any::<(u64, u64, u32, bool)>(),
    ) {
        let (entries, size, mode, tree) = numbers;
        let (name, path, depth) = (&*name, &*name, mode);
        piece_survives(Piece::Put(path));
        piece_survives(Piece::Get { path, tree, entries, bytes: size, depth });
        piece_survives(Piece::Directory { name, mode });
        piece_survives(Piece::File { name, mode, size });
        piece_survives(Piece::Data(&bytes));
        piece_survives(Piece::Close);
        piece_survives(Piece::Done);
        for why in [
            Why::Link, Why::Directory, Why::NoDirectory, Why::Device, Why::Pipe, Why::Socket,
            Why::Name, Why::Depth, Why::Size(size), Why::Entries, Why::Errno(mode),
        ] {
            piece_survives(Piece::Refused { name, why });
            piece_survives(Piece::Failed { name, why });
        }
    }

    #[test]
    fn a_name_that_is_taken_leads_nowhere_else(name in vec(any::<u8>(), 0..40), depth in 0u32..70) {
        if check_name(&name, depth).is_ok() {
            let name = str::from_utf8(&name).unwrap();
            let parts: Vec<_> = name.split('/').collect();
            assert!(parts.len() <= depth as usize);
            assert!(!name.contains(char::is_control));
            assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")));
        }
    }
}
