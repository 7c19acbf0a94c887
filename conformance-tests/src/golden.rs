//! One plan for a backend's unit tests, of both directions: what its encoder sends for it, and what its decoder makes of
//! the engine's recorded answers to that.
//!
//! ```no_run
//! # use clawbox_conformance::golden;
//! # use clawbox_containers::{facts::ObservedFacts, types::PolicyItem};
//! # use serde_json::{Value, json};
//! # fn encode(plan: &clawbox_containers::ContainerPlan) -> Value { Value::Null }
//! # fn decode(answer: Value) -> ObservedFacts { unimplemented!() }
//! # let recorded = Value::Null;
//! let plan = golden::plan("sha256:a14b614a07a987c03b21368fc8f1351a66ae9bfd3bfb459243920a0aaea90fbe");
//! golden::assert_golden("tests/golden/create.json".as_ref(), &encode(&plan));
//! let privileged = golden::changed(recorded, "/HostConfig/Privileged", json!(true));
//! assert_eq!(golden::broken(&plan, &decode(privileged)), [PolicyItem::Devices]);
//! ```

use clawbox_containers::{
    ContainerPlan, ContainerSecurityConfig,
    engine::ImageFacts,
    facts::ObservedFacts,
    policy::{Placement, SecurityPolicy},
    verify::verify,
};
use clawbox_types::{
    Capabilities, ContainerIdentity, ContainerSpawnRequest, PolicyItem, ProxyToken,
};
use serde_json::{Value, json};
use std::{env, fs, path::Path};

/// The container's name.
pub const CONTAINER_ID: &str = "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f";

/// What only the command is to know, and what runs it: each stands in the body for [`plan`].
const ERRAND: [&str; 6] = [
    "echo hello",
    "/bin/sh",
    "LANG",
    "C.UTF-8",
    "CLAWBOX_PROXY_TOKEN",
    "abababababababababababababababababababababababababababababababab",
];

/// A plan with something in every field: a variable and a volume of the image's, a bind, an argument. The image has this
/// id, which engines write in their own ways. Process 1 is the engine's.
#[must_use]
pub fn plan(image_id: &str) -> ContainerPlan {
    compile(image_id, false)
}

/// The same with process 1 of ours: the command and its variables are for process 1 alone.
#[must_use]
pub fn plan_with_clawbox_init(image_id: &str) -> ContainerPlan {
    compile(image_id, true)
}

fn compile(image_id: &str, clawbox_init: bool) -> ContainerPlan {
    let request = ContainerSpawnRequest::new("golden", Capabilities::default())
        .with_image("ghcr.io/n0xmare/golden:1")
        .with_command(["/bin/sh", "-c", "echo hello"])
        .with_env("LANG", "C.UTF-8")
        .with_working_dir("/tmp")
        .with_proxy_socket("/srv/clawbox-golden/proxy.sock");
    let image = ImageFacts {
        id: image_id.to_owned(),
        entrypoint: vec!["/entrypoint".to_owned()],
        command: vec!["serve".to_owned()],
        env: vec!["PATH=/bin".to_owned(), "LD_PRELOAD=/x".to_owned()],
        working_dir: "/srv".to_owned(),
        volumes: vec!["/vol".to_owned()],
        ..ImageFacts::default()
    };
    let labels = [
        ("clawbox.schema", "1"),
        ("clawbox.container_id", CONTAINER_ID),
        ("clawbox.owner", "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"),
        ("clawbox.user", "1000"),
        ("clawbox.deadline", "2000000000"),
    ];
    let id = CONTAINER_ID.parse().expect("a container's name");
    let placement = Placement {
        identity: ContainerIdentity::new(id, ProxyToken::from_bytes([0xab; 32])),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        proxy_dir: Some("/srv/clawbox-golden".into()),
        init_dir: clawbox_init.then(|| format!("/srv/clawbox/owner/{CONTAINER_ID}").into()),
    };
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::new()).expect("the default policy");
    let admission = policy.admit(&request).expect("a request that is allowed");
    let compiled = admission.compile(&image, placement);
    compiled.expect("an image that is allowed")
}

/// Holds what an encoder made to the golden file at `path`. With `UPDATE_GOLDEN` in the environment the file is written
/// anew, and what changed is for a reader of the diff to judge.
///
/// # Panics
///
/// Where the two differ, or the file is none.
#[track_caller]
pub fn assert_golden(path: &Path, body: &Value) {
    let shown = path.display();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, format!("{body:#}\n")).unwrap_or_else(|error| panic!("{shown}: {error}"));
    }
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
    let golden: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(*body, golden, "differs from {shown}");
}

/// Sees that an engine hears neither the command, nor a variable, nor the token, where process 1 is ours. `ours` is what
/// is sent for [`plan_with_clawbox_init`]; `engines` is what is sent for [`plan`], in which all of it is found.
///
/// # Panics
///
/// Where that is not so.
#[track_caller]
pub fn assert_command_is_untold(ours: &str, engines: &str) {
    for word in ERRAND {
        assert!(!ours.contains(word), "the engine hears {word}");
        assert!(engines.contains(word), "{word} would not be found");
    }
}

/// An answer with `value` at `path`: a JSON pointer, whose last part may be new, or `-` for one more in a list. What is
/// `null` is taken for an empty object or list.
///
/// # Panics
///
/// Where there is no such place.
#[must_use]
#[track_caller]
pub fn changed(mut answer: Value, path: &str, value: Value) -> Value {
    let (parent, last) = path.rsplit_once('/').expect("a JSON pointer");
    let place = answer.pointer_mut(parent);
    match place.unwrap_or_else(|| panic!("{path}: nothing is there")) {
        Value::Object(entries) => {
            entries.insert(last.to_owned(), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => items[last.parse::<usize>().expect("an index")] = value,
        null @ Value::Null if last == "-" => *null = json!([value]),
        null @ Value::Null => *null = json!({last: value}),
        other => panic!("{path}: {other}"),
    }
    answer
}

/// The items that the first gate finds broken. Those that were not seen are none of them.
#[must_use]
pub fn broken(plan: &ContainerPlan, facts: &ObservedFacts) -> Vec<PolicyItem> {
    let report = verify(plan.spec(), facts, &[]);
    report.not_enforced().map(|report| report.item).collect()
}
