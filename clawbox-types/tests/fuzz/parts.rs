//! References that are put together from known parts, so that what they name is known.

use crate::named::{Named, is_host};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// A reference as it is put together.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) host: Option<&'static str>,
    pub(crate) path: Vec<String>,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

const HOSTS: [&str; 14] = [
    "docker.io",
    "index.docker.io",
    "docker.io",
    "ghcr.io",
    "ghcr.io",
    "localhost",
    "localhost:5000",
    "docker.io:443",
    "index.docker.io:80",
    "x.docker.io",
    "ghcr.io.evil.example",
    "registry.example:65535",
    "10.0.0.1:5000",
    "a-b.c0",
];

const NAMES: [&str; 12] = [
    "alpine",
    "library",
    "n0xmare",
    "a",
    "a",
    "aa",
    "b",
    "alpine-evil",
    "n0xmare__x",
    "a.b",
    "0",
    "debian",
];

pub(crate) fn host() -> impl Strategy<Value = Option<&'static str>> {
    option::of(select(&HOSTS[..]))
}

pub(crate) fn path() -> impl Strategy<Value = Vec<String>> {
    vec(select(&NAMES[..]).prop_map(str::to_owned), 1..4)
}

fn tag() -> impl Strategy<Value = String> {
    select(&["latest", "3.20", "v1", "A_b-C.9", "5000", "_"][..]).prop_map(str::to_owned)
}

pub(crate) fn digest() -> impl Strategy<Value = String> {
    let hex = select(&["0", "1", "e"][..]);
    let algorithms = select(&[("sha256", 64), ("sha384", 96), ("sha512", 128)][..]);
    (algorithms, hex).prop_map(|((name, length), hex)| format!("{name}:{}", hex.repeat(length)))
}

pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    (host(), path(), option::of(tag()), option::of(digest())).prop_map(
        |(host, path, tag, digest)| {
            let mut parts = Parts {
                host,
                path,
                tag,
                digest,
            };
            parts.settle();
            parts
        },
    )
}

impl Parts {
    /// Without a host, the first of several parts may not look like one.
    pub(crate) fn settle(&mut self) {
        if self.host.is_none() && self.path.len() > 1 && is_host(&self.path[0]) {
            self.path[0] = "plain".to_owned();
        }
    }

    pub(crate) fn text(&self) -> String {
        let host = self.host.map(|host| format!("{host}/")).unwrap_or_default();
        let tag = self
            .tag
            .as_ref()
            .map(|tag| format!(":{tag}"))
            .unwrap_or_default();
        let digest = self
            .digest
            .as_ref()
            .map(|digest| format!("@{digest}"))
            .unwrap_or_default();
        format!("{host}{}{tag}{digest}", self.path.join("/"))
    }

    pub(crate) fn named(&self) -> Named {
        Named::new(
            self.host,
            self.path.clone(),
            self.tag.clone(),
            self.digest.clone(),
        )
    }
}
