//! What a reference and a rule name, said a second time: cut at the plain signs that Docker's `splitDockerDomain` and the
//! documentation of the rules speak of. No grammar.

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) registry: String,
    /// The repository, part by part.
    pub(crate) path: Vec<String>,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

/// Whether a first part of a name would be read as a host.
pub(crate) fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

impl Named {
    pub(crate) fn new(
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
