//! What a reference and a rule name, said a second time: made from known parts, or cut at the plain signs that Docker's
//! `splitDockerDomain` and the documentation of the rules speak of. No grammar.

use proptest::{collection::vec, option, prelude::*, sample::select};

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) registry: String,
    /// The repository, part by part.
    pub(crate) path: Vec<String>,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

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

/// Whether a first part of a name would be read as a host.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
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

impl Named {
    fn new(
        host: Option<&str>,
        path: Vec<String>,
        tag: Option<String>,
        digest: Option<String>,
    ) -> Self {
        let (registry, path) = place(host, path);
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Self {
            registry,
            path,
            tag,
            digest,
        }
    }

    /// Cuts a reference where Docker does.
    pub(crate) fn cut(text: &str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (name, None),
        };
        let (host, path) = cut_host(name);
        Self::new(host, path, tag, digest)
    }
}

fn cut_host(name: &str) -> (Option<&str>, Vec<String>) {
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (Some(first), rest),
        _ => (None, name),
    };
    (host, path.split('/').map(str::to_owned).collect())
}

/// Docker's own registry has three names, and a library for what has one part.
fn place(host: Option<&str>, mut path: Vec<String>) -> (String, Vec<String>) {
    let registry = match host {
        None | Some("docker.io" | "index.docker.io") => "docker.io",
        Some(other) => other,
    };
    if registry == "docker.io" && path.len() == 1 {
        path.insert(0, "library".to_owned());
    }
    (registry.to_owned(), path)
}

/// What a rule names: a registry, a beginning of the path, and what must follow it.
#[derive(Debug, Clone)]
pub(crate) struct NamedByRule {
    registry: String,
    path: Vec<String>,
    rest: Rest,
}

#[derive(Debug, Clone)]
enum Rest {
    Nothing,
    Something,
    Anything,
    Tag(String),
    Digest(String),
}

impl NamedByRule {
    /// Reads a rule by the table in its documentation.
    pub(crate) fn cut(rule: &str) -> Self {
        if let Some(stem) = rule.strip_suffix('/') {
            // Whatever stands below decides what is a host.
            let below = format!("{stem}/x/x");
            let (host, mut path) = cut_host(&below);
            path.truncate(path.len() - 2);
            // One part below Docker's registry is in no library: it is a path itself.
            let (registry, _) = place(host, vec!["x".to_owned(), "x".to_owned()]);
            return Self {
                registry,
                path,
                rest: Rest::Something,
            };
        }
        let (stem, exact) = match rule.strip_suffix(':') {
            Some(stem) => (stem, true),
            None => (rule, !rule.contains('/')),
        };
        let last = stem.rsplit('/').next().unwrap_or_default();
        let Named {
            registry,
            path,
            tag,
            digest,
        } = Named::cut(stem);
        let rest = match (digest, tag) {
            (Some(digest), _) => Rest::Digest(digest),
            (None, Some(tag)) if last.contains(':') => Rest::Tag(tag),
            _ if exact => Rest::Nothing,
            _ => Rest::Anything,
        };
        Self {
            registry,
            path,
            rest,
        }
    }

    pub(crate) fn names(&self, image: &Named) -> bool {
        let Some(rest) = image.path.strip_prefix(self.path.as_slice()) else {
            return false;
        };
        image.registry == self.registry
            && match &self.rest {
                Rest::Nothing => rest.is_empty(),
                Rest::Something => !rest.is_empty(),
                Rest::Anything => true,
                Rest::Tag(tag) => {
                    rest.is_empty() && image.digest.is_none() && image.tag.as_ref() == Some(tag)
                }
                Rest::Digest(digest) => rest.is_empty() && image.digest.as_ref() == Some(digest),
            }
    }
}
