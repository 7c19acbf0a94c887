//! Another way to the same Podman, which shares nothing with what is tested.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// What a call answers with success, byte for byte. The path is below `/v4.0.0/libpod`.
pub(crate) async fn ask(host: &str, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let socket = host.strip_prefix("unix://").unwrap_or(host);
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let head = format!(
        "{method} /v4.0.0/libpod{path} HTTP/1.0\r\nHost: podman\r\nContent-Type: application/x-tar\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    assert!(
        answer.starts_with(b"HTTP/1.0 2"),
        "{method} {path}: {} {}",
        String::from_utf8_lossy(&answer),
        String::from_utf8_lossy(&body)
    );
    body
}

pub(crate) async fn get(host: &str, path: &str) -> String {
    String::from_utf8(ask(host, "GET", path, b"").await).unwrap()
}
