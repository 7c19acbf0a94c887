//! What is written to our standard input, for the command to read.

use clawbox::ExecStdin;
use std::{
    io::{self, ErrorKind, Read},
    thread,
};
use tokio::{io::AsyncWriteExt, sync::mpsc};

/// How much is read at once: as much as a pipe holds.
const PIECE: usize = 64 * 1024;

/// Passes it on, until it ends or the command reads no more, which is its own affair.
///
/// # Errors
///
/// Those of reading it.
pub(crate) async fn pass_on(mut stdin: ExecStdin) -> io::Result<()> {
    let (tell, mut told) = mpsc::channel(1);
    // A thread that nobody waits for: it may be in the midst of a read when the command has ended.
    thread::Builder::new().spawn(move || read(&tell))?;
    while let Some(piece) = told.recv().await {
        if stdin.write_all(&piece?).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn read(tell: &mpsc::Sender<io::Result<Vec<u8>>>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut piece = vec![0; PIECE];
        let piece = match stdin.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                Ok(piece)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = piece.is_err();
        if tell.blocking_send(piece).is_err() || failed {
            return;
        }
    }
}
