use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Command> {
    let text = || any::<String>();
    let count = || any::<u64>();
    let pattern = prop_oneof![
        Just(Pattern::Ascii),
        Just(Pattern::Binary),
        Just(Pattern::Multibyte)
    ];
    prop_oneof![
        any::<u8>().prop_map(|code| Command::Exit { code }),
        (1..=64).prop_map(|number| Command::Signal { number }),
        (text(), text(), any::<u8>()).prop_map(|(stdout, stderr, exit)| Command::Print {
            stdout,
            stderr,
            exit
        }),
        (pattern, count(), count()).prop_map(|(pattern, stdout, stderr)| Command::Flood {
            pattern,
            stdout,
            stderr
        }),
        (count(), any::<bool>()).prop_map(|(milliseconds, ignore_term)| Command::Sleep {
            milliseconds,
            ignore_term
        }),
        any::<Option<u64>>().prop_map(|max| Command::Cat { max }),
        count().prop_map(|milliseconds| Command::Leave { milliseconds }),
        text().prop_map(|stderr| Command::CloseStdout { stderr }),
        Just(Command::Facts),
        text().prop_map(|path| Command::Write { path }),
        text().prop_map(|path| Command::Read { path }),
        (text(), count()).prop_map(|(path, max_bytes)| Command::Fill { path, max_bytes }),
        (text(), count()).prop_map(|(dir, max)| Command::Files { dir, max }),
        count().prop_map(|mebibytes| Command::Alloc { mebibytes }),
        count().prop_map(|max| Command::Fork { max }),
        count().prop_map(|max| Command::Open { max }),
        (text(), text()).prop_map(|(path, text)| Command::Connect { path, text }),
        (text(), text()).prop_map(|(path, text)| Command::Pass { path, text }),
        (text(), count()).prop_map(|(path, max)| Command::Hold { path, max }),
        any::<u16>().prop_map(|port| Command::Listen { port }),
        Just(Command::Reach),
        (text(), text()).prop_map(|(dir, name)| Command::Tamper { dir, name }),
        count().prop_map(|count| Command::Orphan { count }),
        count().prop_map(|mebibytes| Command::Lock { mebibytes }),
        text().prop_map(|path| Command::CopyExec { path }),
        Just(Command::Resolve),
        Just(Command::Syscalls),
        Just(Command::Attack),
        Just(Command::Litter),
    ]
}

proptest! {
    #[test]
    fn what_argv_writes_parse_reads(command in any_command()) {
        let argv = command.argv();
        prop_assert_eq!(&argv[0], "probe");
        prop_assert_eq!(Command::parse(&argv[1..]), Ok(command));
    }
}

fn parse(line: &str) -> Result<Command, String> {
    let args: Vec<String> = line.split_whitespace().map(owned).collect();
    Command::parse(&args)
}

#[test]
fn reads_the_documented_spelling() {
    let print = |stdout: &str, stderr: &str, exit| Command::Print {
        stdout: owned(stdout),
        stderr: owned(stderr),
        exit,
    };
    assert_eq!(parse("exit 255"), Ok(Command::Exit { code: 255 }));
    assert_eq!(parse("print"), Ok(print("", "", 0)));
    assert_eq!(
        parse("print --exit 3 --stderr --stdout"),
        Ok(print("", "--stdout", 3))
    );
    assert_eq!(
        parse("flood multibyte 5 0"),
        Ok(Command::Flood {
            pattern: Pattern::Multibyte,
            stdout: 5,
            stderr: 0
        })
    );
}

#[test]
fn refuses_what_it_does_not_understand() {
    for line in [
        "",
        "unknown",
        "exit",
        "exit 256",
        "exit -1",
        "exit 1 2",
        "signal 0",
        "signal 65",
        "print --stdout",
        "print --exit 1 --exit 2",
        "print --loud x",
        "flood utf8 1 1",
        "flood ascii 1",
        "sleep 1 --deaf",
        "facts now",
    ] {
        assert!(parse(line).is_err(), "{line:?} was understood");
    }
}
