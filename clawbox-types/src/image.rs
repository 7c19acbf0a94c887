//! The name of an image, parsed and normalised.

use crate::InvalidValue;
use oci_spec::distribution::Reference;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The image of a request that names none.
pub const DEFAULT_AGENT_IMAGE: &str = "ghcr.io/n0xmare/clawbox-agent:latest";

/// Longest reference that is looked at, in bytes: a name of 255, a tag of 128, a sha512 digest, and a host.
const MAX_BYTES: usize = 1024;

/// A parsed image reference in the grammar of the OCI distribution specification, normalised as engines do:
/// `alpine` is `docker.io/library/alpine:latest`.
///
/// `Display` and serde give that canonical form; [`decisive`](Self::decisive) is what an engine is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef(Reference);

impl ImageRef {
    /// The registry's host, with its port if it has one: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The repository below the registry: `library/alpine`.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The tag. `latest` where neither a tag nor a digest was written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The digest, such as `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }

    /// The canonical name without what decides nothing: where there is a digest, the tag. It has a registry, so that
    /// an engine guesses nothing.
    #[must_use]
    pub fn decisive(&self) -> String {
        match self.digest() {
            Some(digest) => format!("{}/{}@{digest}", self.registry(), self.repository()),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ImageRef {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let refused = |why: &str| {
            InvalidValue::new(
                s,
                format!(
                    "an image is [registry/]repository[:tag][@sha256:digest] in lower case ({why})"
                ),
            )
        };
        if s.len() > MAX_BYTES {
            return Err(refused("at most 1024 bytes"));
        }
        // To oci-spec's grammar every script's letters are a tag's.
        if !s.is_ascii() {
            return Err(refused("plain ASCII"));
        }
        let reference = Reference::from_str(s).map_err(|e| refused(&e.to_string()))?;
        // That grammar also takes _ for a letter of a host's name, and no engine does.
        if reference.registry().contains('_') {
            return Err(refused("a registry's name has no _"));
        }
        let upper = |part: &str| part.bytes().any(|b| b.is_ascii_uppercase());
        if upper(reference.registry()) || upper(reference.repository()) {
            return Err(refused("registry and repository have no capitals"));
        }
        // So that one digest has one spelling; engines take no other.
        if reference.digest().is_some_and(upper) {
            return Err(refused("a digest has no capitals"));
        }
        // Engines read these as an image's id, which no rule could compare.
        let name = s.split(['@', ':']).next().unwrap_or_default();
        let hex64 = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
        if hex64 || s.starts_with("sha256:") {
            return Err(refused("an image's id is not a name"));
        }
        // Engines and readers of JSON get it written in full, and it must be a reference to them too.
        let image = Self(reference);
        if image.to_string().len() > MAX_BYTES {
            return Err(refused("at most 1024 bytes, written in full"));
        }
        Ok(image)
    }
}

impl TryFrom<String> for ImageRef {
    type Error = InvalidValue;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<ImageRef> for String {
    fn from(image: ImageRef) -> Self {
        image.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(input: &str, canonical: Option<&str>) {
        let parsed = input
            .parse::<ImageRef>()
            .ok()
            .map(|image| image.to_string());
        assert_eq!(parsed.as_deref(), canonical, "{input:?}");
    }

    #[test]
    fn spellings_of_one_image_have_one_canonical_form() {
        for same in [
            "alpine",
            "alpine:latest",
            "library/alpine",
            "docker.io/alpine",
            "docker.io/library/alpine",
            "index.docker.io/library/alpine:latest",
        ] {
            check(same, Some("docker.io/library/alpine:latest"));
        }
        check("ghcr.io/a/b:1.2", Some("ghcr.io/a/b:1.2"));
        check("localhost/alpine", Some("localhost/alpine:latest"));
        check("localhost:5000/a", Some("localhost:5000/a:latest"));
        let digest = format!("sha256:{}", "0".repeat(64));
        check(
            &format!("alpine:3@{digest}"),
            Some(&format!("docker.io/library/alpine:3@{digest}")),
        );
        check(
            &format!("alpine@{digest}"),
            Some(&format!("docker.io/library/alpine@{digest}")),
        );
    }

    #[test]
    fn a_digest_decides_and_the_tag_beside_it_does_not() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let decisive = |name: &str| name.parse::<ImageRef>().unwrap().decisive();
        let by_digest = format!("docker.io/library/alpine@{digest}");
        for name in [format!("alpine:3@{digest}"), format!("alpine@{digest}")] {
            assert_eq!(decisive(&name), by_digest, "{name}");
        }
        assert_eq!(decisive("alpine"), "docker.io/library/alpine:latest");
        assert_eq!(decisive("ghcr.io/a/b:1.2"), "ghcr.io/a/b:1.2");
    }

    #[test]
    fn what_is_not_a_reference_is_refused() {
        let long = "a".repeat(5000);
        let id = "0123456789abcdef".repeat(4);
        for bad in [
            "",
            "ALPINE",
            "Foo/bar",
            "GHCR.io/a/b",
            "alpine:",
            " alpine",
            "alpine ",
            "\u{430}lpine",
            "alpine:\u{b55}",
            "gh_cr.io/a/b",
            "a_b:80/c",
            "alpine:3\u{661}",
            "a\0b",
            "..",
            "../etc",
            "x@y@z",
            "alpine@sha256:00",
            &format!("alpine@sha256:{}", "A".repeat(64)),
            &format!("alpine@md5:{}", "0".repeat(32)),
            "/alpine",
            "alpine/",
            "a//b",
            "-a",
            "http://a/b",
            "sha256:",
            &long,
            &id,
            &format!("sha256:{id}"),
            &format!("{id}:latest"),
            // Short enough only without its tag.
            &format!("{}.io/a", "a".repeat(MAX_BYTES - 11)),
        ] {
            check(bad, None);
        }
        let longest = format!("{}.io/a:latest", "a".repeat(MAX_BYTES - 12));
        check(&longest, Some(&longest));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_what_parses_is_a_fixed_point(text in any::<String>()) {
            if let Ok(image) = text.parse::<ImageRef>() {
                prop_assert_eq!(image.to_string().parse::<ImageRef>().unwrap(), image);
            }
        }

        #[test]
        fn reference_like_text_reaches_a_fixed_point(text in "[a-zA-Z0-9./:@_-]{0,80}") {
            if let Ok(image) = text.parse::<ImageRef>() {
                prop_assert_eq!(image.to_string().parse::<ImageRef>().unwrap(), image);
            }
        }
    }
}
