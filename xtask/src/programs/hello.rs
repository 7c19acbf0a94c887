//! What a small agent in Rust does: threads, files, a child, a server on loopback.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn main() -> io::Result<()> {
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for i in 0..32_u64 {
            let send = send.clone();
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(1));
                send.send(vec![i; 64 << 10].into_iter().sum::<u64>())
            });
        }
    });
    drop(send);
    let sum: u64 = receive.iter().sum();

    std::fs::write("/tmp/rust", "written")?;
    let child = Command::new("/bin/echo").arg("child").output()?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || listener.accept()?.0.write_all(b"served"));
    let mut body = String::new();
    TcpStream::connect(address)?.read_to_string(&mut body)?;
    server.join().expect("the server ends")?;
    let (mut one, mut other) = UnixStream::pair()?;
    one.write_all(b"x")?;
    other.read_exact(&mut [0])?;

    println!(
        "{sum}, {}{body}",
        String::from_utf8_lossy(&child.stdout)
    );
    Ok(())
}
