//! An engine that answers with a gigabyte. Alone in its program, as the memory of all of it is looked at.

use clawbox_backend_docker::DockerEngine;
use clawbox_conformance::{flood, golden};

const IMAGE_ID: &str = "sha256:a14b614a07a987c03b21368fc8f1351a66ae9bfd3bfb459243920a0aaea90fbe";

const POLITE: &[(&str, &str)] = &[
    // By this the client agrees on a version.
    (
        "/version",
        "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"ApiVersion\":\"1.41\"}",
    ),
];

#[tokio::test]
async fn an_answer_of_a_gigabyte_is_a_bad_answer_and_is_not_read() {
    for status in ["200 OK", "500 Internal Server Error"] {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        flood::serve(&socket, status, POLITE).unwrap();
        let engine = DockerEngine::connect(Some(&format!("unix://{}", socket.display()))).unwrap();
        if let Err(otherwise) = flood::check(&engine, &golden::plan(IMAGE_ID)).await {
            panic!("{status}: {otherwise}");
        }
    }
}
