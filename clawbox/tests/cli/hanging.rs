//! A Docker that answers questions, and hangs at the first change it is asked for.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

/// One answer for whatever is asked: a version and an image.
const ANSWER: &str = r#"{"Version": "0", "ApiVersion": "1.41", "Id": "sha256:0", "Config": {}}"#;

/// Serves at `socket` as long as the tests run. The receiver hears when it hangs.
pub(crate) fn serve(socket: &Path) -> Receiver<()> {
    let listener = UnixListener::bind(socket).expect("a socket");
    let (hangs, heard) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let hangs = hangs.clone();
            // A client that has gone ends it.
            thread::spawn(move || answer(&connection, &hangs).ok());
        }
    });
    heard
}

fn answer(mut connection: &UnixStream, hangs: &Sender<()>) -> io::Result<()> {
    let mut requests = BufReader::new(connection);
    loop {
        let mut lines = requests.by_ref().lines();
        let Some(request) = lines.next() else {
            return Ok(());
        };
        if !request?.starts_with("GET ") {
            // That nobody waits for it is no matter.
            hangs.send(()).ok();
            io::copy(&mut requests, &mut io::sink())?;
            return Ok(());
        }
        lines
            .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
            .for_each(drop);
        let length = ANSWER.len();
        write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{ANSWER}"
        )?;
    }
}
