//! The calls, to a service that answers as Podman does, and as it should never do.

use super::*;
use crate::fixture::service::{Service, Then, in_time, whole};
use clawbox_conformance::golden::CONTAINER_ID as ID;
use serde_json::json;
use tokio::{io::AsyncReadExt, net::UnixListener};

/// The errors of each of the calls, of which `attach` is the one that reads no body where all is well.
async fn errors(answer: &str, then: Then) -> Vec<(&'static str, EngineError, Endpoint)> {
    let service = Service::answering(answer, then);
    let direct = service.direct();
    let told = in_time(async {
        [
            ("create", direct.create(&json!({})).await.unwrap_err()),
            ("inspect", direct.inspect(ID).await.map(drop).unwrap_err()),
            ("wait", direct.wait(ID).await.unwrap_err()),
            ("remove", direct.remove(ID).await.unwrap_err()),
            ("attach", direct.attach(ID).await.map(drop).unwrap_err()),
        ]
    });
    let named = |(call, error)| (call, error, service.endpoint.clone());
    told.await.map(named).into()
}

#[tokio::test]
async fn each_call_is_libpods() {
    let service = Service::answering(
        &whole("201 Created", r#"{"Id":"1","Warnings":null}"#),
        Then::Hold,
    );
    let created = in_time(service.direct().create(&json!({"a": 1}))).await;
    assert_eq!(created.unwrap().warnings, None);
    let heard = service.heard();
    assert!(
        heard.starts_with("POST /v4.0.0/libpod/containers/create HTTP/1.1\r\n"),
        "{heard}"
    );
    assert!(
        heard.contains("content-type: application/json\r\n"),
        "{heard}"
    );
    assert!(heard.ends_with("\r\n\r\n{\"a\":1}"), "{heard}");

    // Without `size`, for which libpod would walk through the container's files.
    let service = Service::answering(&whole("200 OK", "{}"), Then::Hold);
    in_time(service.direct().inspect(ID)).await.unwrap();
    let heard = service.heard();
    let path = format!("GET /v4.0.0/libpod/containers/{ID}/json HTTP/1.1\r\n");
    assert!(heard.starts_with(&path), "{heard}");

    let service = Service::answering(&whole("200 OK", "137\n"), Then::Hold);
    assert_eq!(in_time(service.direct().wait(ID)).await.unwrap(), 137);
    let heard = service.heard();
    let path =
        format!("POST /v4.0.0/libpod/containers/{ID}/wait?condition=stopped&interval=20ms HTTP");
    assert!(heard.starts_with(&path), "{heard}");

    let service = Service::answering(&whole("200 OK", r#"[{"Id":"1"}]"#), Then::Hold);
    let removed = in_time(service.direct().remove(ID)).await.unwrap();
    let [Removed { error: None }] = &removed[..] else {
        panic!("{removed:?}");
    };
    let heard = service.heard();
    let path =
        format!("DELETE /v4.0.0/libpod/containers/{ID}?force=true&v=true&timeout=0 HTTP/1.1\r\n");
    assert!(heard.starts_with(&path), "{heard}");
}

#[tokio::test]
async fn output_over_the_bound_is_not_read_to_its_end() {
    for (most, expected) in [(3, Some(&b"abc"[..])), (2, None)] {
        let service = Service::answering(&whole("200 OK", "abc"), Then::Hold);
        let read = in_time(service.direct().logs(ID, most)).await.unwrap();
        assert_eq!(read.as_deref(), expected);
        let path =
            format!("GET /v4.0.0/libpod/containers/{ID}/logs?stdout=true&stderr=true HTTP/1.1\r\n");
        let heard = service.heard();
        assert!(heard.starts_with(&path), "{heard}");
    }
}

#[tokio::test]
async fn an_attached_stream_has_what_came_with_the_answer_and_after_it() {
    let answer = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nbytes";
    let service = Service::answering(answer, Then::Close);
    let mut read = Vec::new();
    in_time(async {
        let mut stream = TokioIo::into_inner(service.direct().attach(ID).await.unwrap());
        let mut stream = TokioIo::new(&mut stream);
        stream.read_to_end(&mut read).await.unwrap();
    })
    .await;
    assert_eq!(read, b"bytes");
    let heard = service.heard();
    let path = format!(
        "POST /v4.0.0/libpod/containers/{ID}/attach?stream=true&stdout=true&stderr=true HTTP/1.1\r\n"
    );
    assert!(heard.starts_with(&path), "{heard}");
    assert!(heard.contains("connection: Upgrade\r\n"), "{heard}");
    assert!(heard.contains("upgrade: tcp\r\n"), "{heard}");
}

#[tokio::test]
async fn a_refusal_keeps_its_text_and_its_kind() {
    let text = "creating it: the container name \"c\" is in use: that name is already in use";
    let body = json!({"cause": "x", "message": text, "response": 500}).to_string();
    for (call, error, _) in errors(&whole("500 Internal Server Error", &body), Then::Hold).await {
        let kind = match call {
            "create" => EngineErrorKind::AlreadyExists,
            _ => EngineErrorKind::Refused,
        };
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
    }
    let body = json!({"message": "no container with ID c: no such container"}).to_string();
    for (call, error, _) in errors(&whole("404 Not Found", &body), Then::Hold).await {
        let kind = match call {
            "create" => EngineErrorKind::Refused,
            _ => EngineErrorKind::NotFound,
        };
        assert_eq!(error.kind(), kind, "{call}: {error}");
    }
}

#[tokio::test]
async fn a_refusal_in_no_form_of_podmans_is_told_as_it_is() {
    for body in ["Bad Gateway", "{}", r#"{"message":null}"#, "[]", "\u{7f}"] {
        for (call, error, _) in errors(&whole("502 Bad Gateway", body), Then::Hold).await {
            assert_eq!(error.kind(), EngineErrorKind::Refused, "{call}");
            let expected = format!("podman answered 502: {body}");
            assert_eq!(error.to_string(), expected, "{call}");
        }
    }
}

#[tokio::test]
async fn an_answer_over_the_bound_is_not_read_to_its_end() {
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    for status in ["200 OK", "500 Internal Server Error"] {
        for (call, error, _) in errors(&whole(status, &long), Then::Hold).await {
            if (call, status) == ("attach", "200 OK") {
                continue;
            }
            assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{call} {status}");
            let expected = "podman's answer is longer than 1048576 bytes";
            assert_eq!(error.to_string(), expected, "{call} {status}");
        }
    }
    let most = format!("\"{}\"", "x".repeat(MAX_BODY_BYTES - 2));
    for (call, error, _) in errors(&whole("200 OK", &most), Then::Hold).await {
        assert!(!error.to_string().contains("longer"), "{call}: {error}");
    }
}

#[tokio::test]
async fn a_success_that_says_something_else_is_a_bad_answer() {
    for body in ["", "garbage", "\"text\"", "null", "9999999999"] {
        for (call, error, _) in errors(&whole("200 OK", body), Then::Hold).await {
            assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{call} {body}");
            assert!(error.to_string().contains("podman"), "{call}: {error}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_unavailable_and_names_the_endpoint() {
    for cut in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9\r\n\r\n{",
        "not http at all\r\n\r\n",
    ] {
        for (call, error, endpoint) in errors(cut, Then::Close).await {
            assert_eq!(error.kind(), EngineErrorKind::Unavailable, "{call} {cut}");
            let text = error.to_string();
            let named = format!("no answer from {endpoint}: ");
            assert!(text.starts_with(&named), "{call} {cut}: {text}");
            assert!(error.source().is_some(), "{call} {cut}");
        }
    }
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n13";
    for (call, error, endpoint) in errors(cut, Then::Close).await {
        if call != "attach" {
            assert_eq!(error.kind(), EngineErrorKind::Unavailable, "{call}");
            assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
        }
    }
}

#[tokio::test]
async fn where_nothing_listens_the_error_names_the_endpoint_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("file.sock"), "").unwrap();
    drop(UnixListener::bind(at("left.sock")).unwrap());
    for (name, why) in [
        ("none.sock", "No such file or directory"),
        ("file.sock", "what is there is not a socket"),
        ("left.sock", "Connection refused"),
    ] {
        let uri = format!("unix://{}", at(name).display());
        let endpoint: Endpoint = uri.parse().unwrap();
        let error = in_time(Direct(&endpoint).wait(ID)).await.unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Unavailable);
        let said = format!("no answer from {uri}: {why}");
        assert!(error.to_string().starts_with(&said), "{error}");
    }
}

/// A service that does not upgrade sends the output as the answer's body, which ends when the container does.
#[tokio::test]
async fn a_stream_that_is_not_upgraded_is_refused_at_once() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nbytes";
    let service = Service::answering(answer, Then::Hold);
    let attached = in_time(service.direct().attach(ID)).await;
    let error = attached.map(drop).unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::BadAnswer);
    let expected = "podman answered 200 where its stream begins with 101";
    assert_eq!(error.to_string(), expected);
}
