//! Whole requests, as JSON from anybody.

use crate::mutate::{damage, damaged};
use clawbox_types::{ContainerSpawnRequest, ExecRequest};
use proptest::{prelude::*, sample::select};

const SPAWN: &str = r#"{"task":"t","image":"alpine:3@sha256:0000000000000000000000000000000000000000000000000000000000000000",
"policy":"container","capabilities":{"resources":{"timeout_ms":1000,"memory_mb":64,"cpu_shares":512,"max_output_bytes":9}},
"env":{"A":"b","C":"d=e"},"args":["a","b"],"working_dir":"/work/x"}"#;
const EXEC: &str = r#"{"command":["sh","-c","true"],"env":{"A":"b"},"working_dir":"/tmp","timeout_ms":200,"max_output_bytes":7}"#;

/// Values that belong somewhere else.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1",
    "1e9",
    "1.5",
    "18446744073709551616",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[[]]",
    "{\"a\":{}}",
    "\"0\"",
    "\"..\"",
];

/// With one of its values in the place of another.
fn swapped(text: &str, at: prop::sample::Index, value: &str) -> String {
    let places: Vec<usize> = text.match_indices(':').map(|(at, _)| at + 1).collect();
    let at = places[at.index(places.len())];
    let end = text[at..]
        .find([',', '}'])
        .map_or(text.len(), |length| at + length);
    format!("{}{value}{}", &text[..at], &text[end..])
}

proptest! {
    #[test]
    fn a_request_is_refused_or_possible_and_survives_the_way_to_json(
        at in any::<prop::sample::Index>(), value in select(&VALUES[..]), swap in any::<bool>(), damage in damage()
    ) {
        let text = |good: &str| if swap { swapped(good, at, value) } else { damaged(good, &damage) };
        if let Ok(request) = serde_json::from_str::<ContainerSpawnRequest>(&text(SPAWN)) {
            prop_assert!(request.check().is_ok());
            prop_assert!(request.identity.is_none() && request.proxy_socket.is_none());
            let again = serde_json::to_string(&request).expect("plain data");
            prop_assert_eq!(serde_json::from_str::<ContainerSpawnRequest>(&again).ok(), Some(request));
        }
        if let Ok(request) = serde_json::from_str::<ExecRequest>(&text(EXEC)) {
            let again = serde_json::to_string(&request).expect("plain data");
            prop_assert_eq!(serde_json::from_str::<ExecRequest>(&again).ok(), Some(request));
        }
    }
}
