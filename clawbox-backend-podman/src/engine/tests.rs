//! What the engine makes of a service's answers, beyond the calls themselves.

use super::*;
use crate::fixture::service::{Service, Then, in_time, whole};
use clawbox_conformance::golden::CONTAINER_ID as ID;
use serde_json::json;

#[tokio::test]
async fn an_error_inside_of_a_success_is_an_error() {
    let text = "unmounting the layer: device or resource busy";
    for (body, error) in [
        (json!([{"Id": "1", "Err": text}]), Some(text)),
        (json!([{"Id": "2"}, {"Id": "1", "Err": text}]), Some(text)),
        (json!([{"Id": "1", "Err": ""}]), None),
        (json!([{"Id": "1", "Err": null}]), None),
        (json!([]), None),
    ] {
        let service = Service::answering(&whole("200 OK", &body.to_string()), Then::Hold);
        let id = ID.parse().unwrap();
        match (in_time(service.engine().remove(&id)).await, error) {
            (Ok(Removal::Now), None) => {}
            (Err(failed), Some(error)) => {
                assert_eq!(failed.kind(), EngineErrorKind::Refused, "{body}");
                assert!(failed.to_string().contains(error), "{failed}");
            }
            (other, _) => panic!("{body}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_there_any_more_needs_no_removal() {
    let body = json!({"message": "no container with ID: no such container"}).to_string();
    let service = Service::answering(&whole("404 Not Found", &body), Then::Hold);
    let id = ID.parse().unwrap();
    let removal = in_time(service.engine().remove(&id)).await.unwrap();
    assert_eq!(removal, Removal::AlreadyGone);
}

#[tokio::test]
async fn whoever_else_answers_is_told_by_name_and_asked_nothing() {
    let docker = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\n\
                  Content-Length: 2\r\n\r\nOK";
    let old = "HTTP/1.1 200 OK\r\nLibpod-Api-Version: 3.4.4\r\nContent-Length: 2\r\n\r\nOK";
    let id = ID.parse().unwrap();
    for (greeting, said) in [
        (docker, "Docker/20.10.24 (linux) answers at"),
        (old, "podman 3.4.4 at"),
    ] {
        let service = Service::new(greeting, &whole("200 OK", "[]"), Then::Hold);
        let engine = service.engine();
        let told = in_time(async {
            [
                engine.probe().await.map(drop).unwrap_err(),
                engine.inspect(&id).await.map(drop).unwrap_err(),
                engine.remove(&id).await.map(drop).unwrap_err(),
                engine.attach(&id).await.map(drop).unwrap_err(),
            ]
        });
        for error in told.await {
            assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{error}");
            let text = error.to_string();
            let named = format!("{said} {}", service.endpoint);
            assert!(text.starts_with(&named), "{text}");
        }
        let heard = service.all_heard();
        let asked = heard.iter().find(|it| !it.starts_with("GET /_ping "));
        assert_eq!(asked, None);
    }
}

#[tokio::test]
async fn a_service_is_greeted_once() {
    let service = Service::answering(&whole("200 OK", "[]"), Then::Hold);
    let (engine, id) = (service.engine(), ID.parse().unwrap());
    for _ in 0..2 {
        in_time(engine.remove(&id)).await.unwrap();
    }
    let heard = service.all_heard().into_iter();
    let verbs: Vec<_> = heard.map(|it| it[..4].to_owned()).collect();
    assert_eq!(verbs, ["GET ", "DELE", "DELE"]);
}

#[tokio::test]
async fn an_image_that_is_not_to_be_had_is_told_from_a_service_that_fails() {
    let missing = whole("404 Not Found", r#"{"message":"image not known"}"#);
    let failing = whole("500 Internal Server Error", r#"{"message":"no space"}"#);
    let refused = whole(
        "200 OK",
        "{\"stream\":\"Trying\\n\"}\n{\"error\":\"denied\"}\n",
    );
    let image: ImageRef = "localhost/none:1".parse().unwrap();
    for (answer, pull, kind, said) in [
        (
            &missing,
            PullPolicy::Never,
            EngineErrorKind::ImageNotFound,
            "does not hold localhost/none:1",
        ),
        (
            &failing,
            PullPolicy::Never,
            EngineErrorKind::Refused,
            "no space",
        ),
        (
            &failing,
            PullPolicy::Always,
            EngineErrorKind::ImageNotFound,
            "no space",
        ),
        (
            &refused,
            PullPolicy::Always,
            EngineErrorKind::ImageNotFound,
            "denied",
        ),
    ] {
        let service = Service::answering(answer, Then::Hold);
        let engine = service.engine();
        let error = in_time(engine.ensure_image(&image, pull, &|_| {})).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_fetch_that_breaks_off_is_no_answer_about_the_image() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"stream\":\"Trying\\n\"}\n";
    let service = Service::answering(cut, Then::Close);
    let image: ImageRef = "localhost/none:1".parse().unwrap();
    let (engine, told) = (service.engine(), std::sync::Mutex::new(Vec::new()));
    let keep = |step: PullProgress| told.lock().unwrap().push(step.action);
    let error = in_time(engine.ensure_image(&image, PullPolicy::Always, &keep)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Unavailable, "{error}");
    let named = format!("no answer from {}", service.endpoint);
    assert!(error.to_string().starts_with(&named), "{error}");
    assert_eq!(*told.lock().unwrap(), ["Trying"]);
}
