//! Rules that say which images may run.

use crate::{ImageRef, InvalidValue};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The images that are allowed where the operator names none.
pub const DEFAULT_ALLOWED_IMAGES: [&str; 4] = ["ghcr.io/n0xmare/", "alpine", "ubuntu", "debian"];

/// One rule of an image allowlist, compared with the parsed reference and never with its text.
///
/// | rule | names |
/// |---|---|
/// | `alpine`, `alpine:` | that repository, any tag or digest |
/// | `alpine:3.20` | that tag, where no digest overrules it |
/// | `alpine@sha256:…` | that digest, under any tag |
/// | `ghcr.io/n0xmare/` | everything below that path |
/// | `ghcr.io/n0xmare` | that repository and everything below it |
///
/// Names are normalised as [`ImageRef`] does, so `alpine` is not `localhost/alpine`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRule {
    text: String,
    registry: String,
    names: Names,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Names {
    /// The repository itself, of any version.
    Repository(String),
    /// What lies below a path (empty: the whole registry), and that path itself if `or_itself`.
    Below {
        path: String,
        or_itself: bool,
    },
    Tag {
        repository: String,
        tag: String,
    },
    Digest {
        repository: String,
        digest: String,
    },
}

impl ImageRule {
    /// Whether this rule names `image`.
    #[must_use]
    pub fn allows(&self, image: &ImageRef) -> bool {
        if image.registry() != self.registry {
            return false;
        }
        match &self.names {
            Names::Repository(repository) => image.repository() == repository,
            Names::Below { path, or_itself } => {
                path.is_empty()
                    || match image.repository().strip_prefix(path.as_str()) {
                        Some("") => *or_itself,
                        Some(rest) => rest.starts_with('/'),
                        None => false,
                    }
            }
            // An engine goes by the digest where there is one, so a tag beside it vouches for nothing.
            Names::Tag { repository, tag } => {
                image.repository() == repository
                    && image.tag() == Some(tag)
                    && image.digest().is_none()
            }
            Names::Digest { repository, digest } => {
                image.repository() == repository && image.digest() == Some(digest)
            }
        }
    }
}

impl FromStr for ImageRule {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            InvalidValue::new(
                text,
                "an image rule is a repository (alpine, ghcr.io/owner/name), optionally with \
                 :tag or @digest, or a path that ends in / (ghcr.io/owner/)",
            )
        };
        let image = |s: &str| s.parse::<ImageRef>().map_err(|_| refused());
        let (reference, names) = if let Some(path) = text.strip_suffix('/') {
            // A probe below the path tells how the grammar splits host and path.
            let below = image(&format!("{path}/a/a"))?;
            let path = below
                .repository()
                .trim_end_matches("a/a")
                .trim_end_matches('/');
            let names = Names::Below {
                path: path.to_owned(),
                or_itself: false,
            };
            (below, names)
        } else {
            let bare = text.strip_suffix(':').unwrap_or(text);
            let reference = image(bare)?;
            let repository = reference.repository().to_owned();
            let exact = bare.len() < text.len();
            let versioned = reference.digest().is_some() || has_tag(bare);
            if exact && versioned {
                return Err(refused());
            }
            let names = if let Some(digest) = reference.digest() {
                Names::Digest {
                    digest: digest.to_owned(),
                    repository,
                }
            } else if versioned {
                Names::Tag {
                    tag: reference.tag().unwrap_or_default().to_owned(),
                    repository,
                }
            } else if exact || !text.contains('/') {
                Names::Repository(repository)
            } else {
                Names::Below {
                    path: repository,
                    or_itself: true,
                }
            };
            (reference, names)
        };
        Ok(Self {
            text: text.to_owned(),
            registry: reference.registry().to_owned(),
            names,
        })
    }
}

/// Whether a tag was written, rather than supplied by normalising.
fn has_tag(reference: &str) -> bool {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    last.contains(':')
}

impl fmt::Display for ImageRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for ImageRule {
    type Error = InvalidValue;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<ImageRule> for String {
    fn from(rule: ImageRule) -> Self {
        rule.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(rule: &str, allowed: &[&str], refused: &[&str]) {
        let rule: ImageRule = rule.parse().unwrap();
        for image in allowed {
            assert!(
                rule.allows(&image.parse().unwrap()),
                "{rule} allows {image}"
            );
        }
        for image in refused {
            assert!(
                !rule.allows(&image.parse().unwrap()),
                "{rule} refuses {image}"
            );
        }
    }

    fn digest(c: char) -> String {
        format!("sha256:{}", c.to_string().repeat(64))
    }

    #[test]
    fn a_repository() {
        let pinned = format!("alpine:3@{}", digest('0'));
        for rule in [
            "alpine",
            "alpine:",
            "library/alpine:",
            "docker.io/library/alpine:",
        ] {
            check(
                rule,
                &["alpine", "alpine:3.20", "docker.io/library/alpine", &pinned],
                &[
                    "localhost/alpine",
                    "evil/alpine",
                    "alpine/alpine",
                    "library/alpine/alpine",
                    "ghcr.io/library/alpine",
                    "alpine-evil",
                    "alpin",
                    "docker.io:443/library/alpine",
                ],
            );
        }
    }

    #[test]
    fn a_path() {
        check(
            "ghcr.io/n0xmare/",
            &["ghcr.io/n0xmare/a", "ghcr.io/n0xmare/a/b:1"],
            &[
                "ghcr.io/n0xmare",
                "ghcr.io/n0xmare-evil/a",
                "n0xmare/a",
                "evil.io/ghcr.io/n0xmare/a",
                "ghcr.io:80/n0xmare/a",
            ],
        );
        check(
            "ghcr.io/n0xmare",
            &["ghcr.io/n0xmare", "ghcr.io/n0xmare/a"],
            &["ghcr.io/n0xmare-evil/a", "ghcr.io/n0xmar"],
        );
        check(
            "ghcr.io/",
            &["ghcr.io/a", "ghcr.io/a/b"],
            &["a/b", "ghcr.io.evil.com/a"],
        );
        check("docker.io/", &["alpine", "a/b"], &["localhost/a"]);
        check("n0xmare/", &["n0xmare/a"], &["ghcr.io/n0xmare/a", "alpine"]);
        check("localhost:5000/", &["localhost:5000/a"], &["localhost/a"]);
        check("a/a/", &["a/a/a", "a/a/b"], &["a/a", "a/b"]);
    }

    #[test]
    fn a_tag_vouches_for_nothing_beside_a_digest() {
        let pinned = format!("alpine:3.20@{}", digest('0'));
        check(
            "alpine:3.20",
            &["alpine:3.20"],
            &["alpine", "alpine:3.2", &pinned],
        );
    }

    #[test]
    fn a_digest() {
        let right = format!("alpine@{}", digest('0'));
        let tagged = format!("alpine:3@{}", digest('0'));
        let wrong = format!("alpine@{}", digest('1'));
        check(&right, &[&right, &tagged], &[&wrong, "alpine"]);
    }

    #[test]
    fn what_is_not_a_rule_is_refused() {
        for bad in [
            "",
            "/",
            "//",
            "*",
            "alpine*",
            "ALPINE",
            "ghcr.io//",
            "a b",
            ":",
            "alpine::",
            "alpine:3.20:",
            &format!("alpine@{}:", digest('0')),
        ] {
            assert!(bad.parse::<ImageRule>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_rule_is_told_as_it_was_written() {
        let pinned = format!("alpine@{}", digest('0'));
        let more = ["alpine:", "alpine:3.20", "ghcr.io/n0xmare", &pinned];
        for text in DEFAULT_ALLOWED_IMAGES.into_iter().chain(more) {
            let rule: ImageRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
            let json = serde_json::to_string(&rule).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<ImageRule>(&json).unwrap(), rule);
        }
    }

    proptest! {
        #[test]
        fn a_rule_names_only_what_stands_below_its_own_text(
            rule in "([a-z]{1,3}(\\.[a-z])?/)?[a-z]{1,3}[:/]?", image in "([a-z]{1,3}(\\.[a-z])?/){0,2}[a-z]{1,3}"
        ) {
            if let (Ok(rule), Ok(image)) = (rule.parse::<ImageRule>(), image.parse::<ImageRef>()) {
                let canonical = |s: String| s.parse::<ImageRef>().map(|i| format!("{}/{}", i.registry(), i.repository()));
                let below = rule.text.ends_with('/');
                let named = canonical(rule.text.trim_end_matches([':', '/']).to_owned() + if below { "/a/a" } else { "" });
                let stem = named.map(|n| if below { n.trim_end_matches("a/a").to_owned() } else { n });
                let whole = format!("{}/{}", image.registry(), image.repository());
                if rule.allows(&image) {
                    prop_assert!(stem.is_ok_and(|stem| whole.starts_with(&stem)), "{} allows {}", rule, image);
                }
            }
        }
    }
}
