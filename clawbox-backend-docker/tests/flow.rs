//! A gigabyte goes through a sandbox, byte for byte, and nothing of it is held on the way. A target of its own, as what
//! this process holds is counted.

#![expect(clippy::unwrap_used, reason = "a panic is how a case fails")]

use clawbox_backend_docker::DockerEngine;
use clawbox_conformance::{
    FIXTURE_IMAGE as IMAGE,
    test_engine::{TestEngine, backend, policy, request},
};
use clawbox_containers::{
    ContainerBackend, ExecStdin,
    types::{ExecRequest, OutputStream},
};
use futures_util::{FutureExt, StreamExt};
use std::{fs, process::ExitCode, time::Instant};
use tokio::io::AsyncWriteExt;

/// How much is written at once, and how often.
const PIECE: usize = 64 * 1024;
const PIECES: u64 = 16 * 1024;
/// How much more memory may have been resident meanwhile than before, in KiB.
const MORE: u64 = 4096;

const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");

fn main() -> ExitCode {
    DOCKER.run([("a_gigabyte_flows", |host| a_gigabyte_flows(host).boxed())])
}

async fn a_gigabyte_flows(host: String) {
    let engine = DockerEngine::connect(Some(&host)).unwrap();
    let backend = backend(engine, &policy());
    // One container's own command counts what it reads, another command of it gives back what it reads.
    let counter = backend
        .spawn(request(IMAGE, "wc -c").with_stdin())
        .await
        .unwrap()
        .container_id;
    let own = backend.take_stdin(&counter).unwrap();
    let before = peak_afresh();
    let since = Instant::now();

    let mut cat = backend
        .exec_stream(&counter, ExecRequest::new(["cat"]))
        .await
        .unwrap();
    let writing = tokio::spawn(write(cat.stdin.take().unwrap()));
    let mut expected = Expected::default();
    while let Some(chunk) = cat.output.next().await {
        let chunk = chunk.unwrap();
        assert_eq!(chunk.stream, OutputStream::Stdout);
        expected.hold(&chunk.bytes);
    }
    writing.await.unwrap();
    assert_eq!(cat.running.await.unwrap().exit_code, 0);
    assert_eq!(expected.piece, PIECES);
    let through = since.elapsed();

    write(own).await;
    assert_eq!(backend.wait(&counter).await.unwrap().exit_code, Some(0));
    let counted = backend.collect_output(&counter).await.unwrap();
    let total = PIECE as u64 * PIECES;
    assert_eq!(counted.stdout.text().trim(), total.to_string());
    let grown = peak().saturating_sub(before);
    println!(
        "through cat in {through:.1?}, counted after {:.1?}; {grown} KiB more",
        since.elapsed()
    );
    assert!(grown <= MORE, "{grown} KiB");
    backend.kill(&counter).await.unwrap();
}

/// Writes all of it, and shuts it.
async fn write(mut stdin: ExecStdin) {
    let mut piece = vec![0; PIECE];
    for number in 0..PIECES {
        mark(&mut piece, number);
        stdin.write_all(&piece).await.unwrap();
    }
}

/// Makes a piece unlike every other.
fn mark(piece: &mut [u8], number: u64) {
    let bytes = number.to_le_bytes();
    piece[..bytes.len()].copy_from_slice(&bytes);
    piece[PIECE - 1] = bytes[0] ^ 0xff;
}

/// What is to come: which piece, and how much of it was there.
#[derive(Default)]
struct Expected {
    piece: u64,
    seen: usize,
    bytes: Vec<u8>,
}

impl Expected {
    fn hold(&mut self, mut bytes: &[u8]) {
        self.bytes.resize(PIECE, 0);
        while !bytes.is_empty() {
            mark(&mut self.bytes, self.piece);
            let length = bytes.len().min(PIECE - self.seen);
            let (now, rest) = bytes.split_at(length);
            let same = now == &self.bytes[self.seen..self.seen + length];
            assert!(same, "piece {} differs", self.piece);
            self.seen += length;
            if self.seen == PIECE {
                (self.piece, self.seen) = (self.piece + 1, 0);
            }
            bytes = rest;
        }
    }
}

/// Begins anew to keep the most memory that this process has had, and gives what it has now, in KiB.
fn peak_afresh() -> u64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    peak()
}

fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next())
        .unwrap()
        .parse()
        .unwrap()
}
