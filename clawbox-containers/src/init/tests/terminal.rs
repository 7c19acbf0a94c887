//! A command in a terminal.

use super::*;
use crate::init::exec::execute;
use clawbox_init::protocol::End;
use clawbox_types::{ExecEnd, OutputStream, TerminalSize};
use futures_util::StreamExt;
use rustix::termios::tcgetwinsize;
use tokio::io::AsyncWriteExt;

const SMALL: TerminalSize = TerminalSize {
    rows: 24,
    columns: 80,
};
const LARGE: TerminalSize = TerminalSize {
    rows: 50,
    columns: 132,
};

fn size(terminal: &OwnedFd) -> (u16, u16) {
    let size = tcgetwinsize(terminal).unwrap();
    (size.ws_row, size.ws_col)
}

#[tokio::test]
async fn what_is_typed_is_read_and_what_is_printed_is_shown_to_the_commands_end() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let errand = errand();
        let executing = execute(&process_one, &errand, None, Some(SMALL));
        let (execution, (run, heard)) = tokio::join!(executing, peer.start());
        let [stdin, stdout, stderr]: [OwnedFd; 3] = heard.descriptors.try_into().unwrap();
        let lost = || panic!("its end was told");
        let mut handle = execution.unwrap().into_handle(lost);
        let mut typing = handle.stdin.take().unwrap();
        assert_eq!([&stdin, &stdout, &stderr].map(size), [(24, 80); 3]);
        handle.terminal.take().unwrap().resize(LARGE).unwrap();
        assert_eq!(size(&stderr), (50, 132));

        typing.write_all(b"typed\n").await.unwrap();
        let mut line = [0; 16];
        assert_eq!(rustix::io::read(&stdin, &mut line).unwrap(), 6);
        rustix::io::write(&stderr, b"printed\n").unwrap();
        let mut shown = Vec::new();
        while !shown.ends_with(b"printed\r\n") {
            let chunk = handle.output.next().await.unwrap().unwrap();
            assert_eq!(chunk.stream, OutputStream::Stdout);
            shown.extend_from_slice(&chunk.bytes);
        }
        // What is typed is shown by the terminal itself.
        assert_eq!(shown, b"typed\r\nprinted\r\n");

        // Its last words, while somebody else has it open.
        rustix::io::write(&stdout, b"over\n").unwrap();
        let (end, by_deadline) = (End::Code(3), false);
        peer.say(FromInit::Ended {
            run,
            end,
            by_deadline,
            oom_kills: None,
        })
        .await;
        assert_eq!(handle.running.await.unwrap(), ExecEnd::new(3));
        let rest: Vec<_> = handle
            .output
            .map(|chunk| chunk.unwrap().bytes)
            .collect()
            .await;
        assert_eq!(rest.concat(), b"over\r\n");
        let late = typing.write_all(b"late").await;
        assert_eq!(kind_of(late), io::ErrorKind::BrokenPipe);
        drop((stdin, stdout, stderr));
    })
    .await;
}

#[tokio::test]
async fn a_terminal_ends_when_nobody_has_it_any_more() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let errand = errand();
        let executing = execute(&process_one, &errand, None, Some(SMALL));
        let (execution, (_, heard)) = tokio::join!(executing, peer.start());
        let mut handle = execution.unwrap().into_handle(|| panic!("nobody waits"));
        drop(heard.descriptors);
        assert!(handle.output.next().await.is_none());
        let mut typing = handle.stdin.take().unwrap();
        // The kernel takes what nobody reads, or says so.
        drop(typing.write_all(b"to nobody").await);
    })
    .await;
}
