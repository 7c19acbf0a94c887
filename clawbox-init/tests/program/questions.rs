//! What process 1 tells about what the kernel gives.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

use clawbox_init::protocol::{FROM_INIT_BYTES, Question};
use rustix::io::Errno;

use crate::manager::Init;
use crate::number;

fn failed(errno: Errno) -> (i64, Vec<u8>) {
    (-i64::from(errno.raw_os_error()), vec![])
}

fn text(answer: (i64, Vec<u8>)) -> String {
    let (result, bytes) = answer;
    assert_eq!(usize::try_from(result), Ok(bytes.len()));
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_file_is_read_from_its_beginning_as_far_as_a_frame_holds() {
    let dir = tempfile::tempdir().unwrap();
    let most = FROM_INIT_BYTES as usize - 8;
    let mut asked = Vec::new();
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(most + 1000).collect();
    for length in [0, 1, 5000, most - 1, most, most + 1, most + 1000] {
        let path = dir.path().join(length.to_string());
        std::fs::write(&path, &bytes[..length]).unwrap();
        let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        asked.push((path, length.min(most)));
    }
    let questions: Vec<_> = asked.iter().map(|(path, _)| Question::Read(path)).collect();
    let answers = Init::greeted().ask(&questions);
    for ((_, length), answer) in asked.iter().zip(answers) {
        assert_eq!(answer.0, i64::try_from(*length).unwrap());
        assert!(answer.1 == bytes[..*length], "{length} bytes differ");
    }
}

#[test]
fn each_question_has_its_answer_in_order() {
    let mut init = Init::greeted();
    let answers = init.ask(&[
        Question::Read(c"/nonexistent"),
        Question::Read(c"/"),
        Question::List(c"/nonexistent"),
        Question::List(c"/dev/null"),
        Question::Link(c"/nonexistent"),
        Question::Link(c"/dev/null"),
        Question::Stat(c"/nonexistent"),
        Question::Stat(c"/dev/null"),
        Question::Stat(c"/proc/self"),
        Question::Link(c"/proc/self"),
    ]);
    let pid = init.pid().to_string();
    let mode = std::fs::metadata("/dev/null").unwrap().mode();
    assert_eq!(
        answers,
        [
            failed(Errno::NOENT),
            failed(Errno::ISDIR),
            failed(Errno::NOENT),
            failed(Errno::NOTDIR),
            failed(Errno::NOENT),
            failed(Errno::INVAL),
            failed(Errno::NOENT),
            (i64::from(mode), vec![]),
            (0o120_777, vec![]),
            (i64::try_from(pid.len()).unwrap(), pid.into_bytes()),
        ]
    );
    assert_eq!(init.ask(&[]), []);
}

#[test]
fn a_directory_gives_all_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let names: BTreeSet<String> = (0..500).map(|number| format!("{number:0>60}")).collect();
    for name in &names {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let path = std::ffi::CString::new(dir.path().to_str().unwrap()).unwrap();
    let mut init = Init::greeted();
    let [(count, bytes)] = init.ask(&[Question::List(&path)]).try_into().unwrap();
    let listed = String::from_utf8(bytes).unwrap();
    let listed: BTreeSet<_> = listed.split_terminator('\0').map(str::to_owned).collect();
    assert_eq!((count, listed), (500, names));
}

#[test]
fn where_not_all_names_fit_their_number_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..400 {
        std::fs::write(dir.path().join(format!("{number:0>200}")), "").unwrap();
    }
    let path = std::ffi::CString::new(dir.path().to_str().unwrap()).unwrap();
    let mut init = Init::greeted();
    let [(count, bytes)] = init.ask(&[Question::List(&path)]).try_into().unwrap();
    assert_eq!(count, 400);
    assert_eq!(bytes.len(), (FROM_INIT_BYTES as usize - 8) / 201 * 201);
}

#[test]
fn a_system_call_gives_what_it_gives() {
    let call = |number, arguments| Question::Call { number, arguments };
    let mut init = Init::greeted();
    let answers = init.ask(&[
        call(number::GETPPID, [0; 6]),
        call(number::DUP, [u64::from(u32::MAX), 0, 0, 0, 0, 0]),
        // No namespace is made of no flag, and there is none of this one.
        call(number::UNSHARE, [0; 6]),
        call(number::UNSHARE, [1, 0, 0, 0, 0, 0]),
        call(u64::from(u32::MAX), [0; 6]),
    ]);
    let expected = [
        (i64::from(std::process::id()), vec![]),
        failed(Errno::BADF),
        (0, vec![]),
        failed(Errno::INVAL),
        failed(Errno::NOSYS),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_socket_is_tried_and_closed() {
    let socket = |family, kind, protocol| Question::Socket {
        family,
        kind,
        protocol,
    };
    let mut init = Init::greeted();
    let before = init.ask(&[Question::List(c"/proc/self/fd")]);
    let answers = init.ask(&[
        socket(1, 1, 0),
        socket(1, 2, 0),
        socket(1, 1, 77),
        socket(9999, 1, 0),
    ]);
    let expected = [
        (0, vec![]),
        (0, vec![]),
        failed(Errno::PROTONOSUPPORT),
        failed(Errno::AFNOSUPPORT),
    ];
    assert_eq!(answers, expected);
    assert_eq!(init.ask(&[Question::List(c"/proc/self/fd")]), before);
}

#[test]
fn it_can_be_asked_about_itself_and_is_hidden_from_others() {
    let mut init = Init::greeted();
    let questions = [
        Question::Read(c"/proc/self/status"),
        Question::Read(c"/proc/self/mountinfo"),
        Question::Read(c"/proc/self/limits"),
        Question::Read(c"/proc/self/uid_map"),
        Question::Link(c"/proc/self/exe"),
    ];
    let [status, mounts, limits, map, exe] = init
        .ask(&questions)
        .into_iter()
        .map(text)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert!(
        status.contains(&format!("\nPid:\t{}\n", init.pid())),
        "{status}"
    );
    assert!(status.contains("\nThreads:\t1\n"), "{status}");
    assert!(mounts.contains(" / "), "{mounts}");
    assert!(limits.contains("Max open files"), "{limits}");
    assert_eq!(map.split_whitespace().count(), 3);
    assert_eq!(exe, crate::manager::program_file().to_str().unwrap());
}

/// What is not dumpable belongs to root in /proc, whoever runs it. The test may be root itself, so that the owner says
/// nothing; the kernel's answer to prctl(PR_GET_DUMPABLE) does.
const DUMPABLE: Question<'static> = Question::Call {
    number: number::PRCTL,
    arguments: [3, 0, 0, 0, 0, 0],
};

#[test]
fn it_tells_its_environment_and_is_hidden_from_the_command_on() {
    let mut init = Init::greeted();
    let [dumpable, environment] = init
        .ask(&[DUMPABLE, Question::Read(c"/proc/self/environ")])
        .try_into()
        .unwrap();
    assert_eq!(dumpable.0, 1);
    assert!(environment.0 >= 0, "{environment:?}");
    let mut init = Init::running();
    assert_eq!(init.ask(&[DUMPABLE]), [(0, vec![])]);
}

#[test]
fn it_can_still_be_asked_while_a_command_runs() {
    let mut init = Init::running();
    let [status] = init
        .ask(&[Question::Link(c"/proc/self")])
        .try_into()
        .unwrap();
    assert_eq!(text(status), init.pid().to_string());
}

#[test]
fn a_file_is_known_by_its_device_number_and_owner() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/", &link).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(1234), Some(5678)).unwrap();
    }
    let paths = [dir.path(), &link, std::path::Path::new("/")];
    let texts = paths.map(|path| std::ffi::CString::new(path.to_str().unwrap()).unwrap());
    let questions: Vec<_> = texts.iter().map(|path| Question::Identity(path)).collect();
    let answers = Init::greeted().ask(&questions);
    for (path, answer) in paths.iter().zip(answers) {
        let metadata = std::fs::symlink_metadata(path).unwrap();
        let identity = [metadata.dev(), metadata.ino()].map(u64::to_le_bytes);
        let expected = (i64::from(metadata.uid()), identity.concat());
        assert_eq!(answer, expected, "{}", path.display());
    }
    let gone = Init::greeted().ask(&[Question::Identity(c"/nonexistent")]);
    assert_eq!(gone, [failed(Errno::NOENT)]);
}
