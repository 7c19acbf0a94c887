//! `cargo xtask fixture`: the image that tests and the demo run, made here and never pulled.

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::engines::{Kind, packages};
use crate::fixture;
use crate::http::{Endpoint, query_value};
use crate::say::say;
use crate::workspace;

pub(crate) use fixture::FIXTURE_IMAGE;

/// Carries the hash of what the image was made from. Not below `clawbox.`: those labels are a container's own.
const LABEL: &str = "fixture.sha256";

/// The image's own configuration: deliberately little, as policy must not depend on it.
const CONFIG: [&str; 1] = ["ENV PATH=/bin"];

/// Gives the image to each private engine that runs, and starts a Docker where none does.
pub(crate) fn run(consent: Consent) -> Result<()> {
    let mut sessions = Session::running()?;
    if sessions.is_empty() {
        sessions.push(Session::begin(Kind::Docker, consent)?);
    }
    let fixture = Fixture::build(consent)?;
    for session in &sessions {
        fixture.import(session)?;
    }
    Ok(())
}

/// The image as it is given to engines.
pub(crate) struct Fixture {
    tar: Vec<u8>,
    /// What it was made from.
    hash: String,
}

impl Fixture {
    pub(crate) fn build(consent: Consent) -> Result<Self> {
        packages::ensure(&packages::FIXTURE, consent)?;
        let tar = fixture::build(&workspace::root()?).context("build the fixture image")?;
        let hash = hash(&tar);
        Ok(Self { tar, hash })
    }

    /// Imports it, unless the engine has this very one.
    pub(crate) fn import(&self, session: &Session) -> Result<()> {
        let Session { kind, endpoint, .. } = session;
        let before = find(endpoint)?;
        if before.as_ref().is_some_and(|image| image.hash == self.hash) {
            say!("{FIXTURE_IMAGE} is up to date in {endpoint}");
            return Ok(());
        }
        self.create(*kind, endpoint)?;
        match find(endpoint)? {
            Some(image) if image.hash == self.hash => {}
            _ => bail!("{FIXTURE_IMAGE} was imported into {endpoint}, which does not show it"),
        }
        if let Some(old) = before {
            // Nameless now. An engine that still uses it refuses, and may keep it.
            endpoint.request("DELETE", &format!("/images/{}", old.id), &[])?;
        }
        let kib = self.tar.len() / 1024;
        say!("{FIXTURE_IMAGE} imported into {endpoint} ({kib} KiB)");
        Ok(())
    }

    fn create(&self, kind: Kind, endpoint: &Endpoint) -> Result<()> {
        let mut path = match kind {
            Kind::Docker => {
                let (repository, tag) = FIXTURE_IMAGE
                    .rsplit_once(':')
                    .context("the fixture image's name has no tag")?;
                let (repository, tag) = (query_value(repository), query_value(tag));
                format!("/images/create?fromSrc=-&repo={repository}&tag={tag}")
            }
            Kind::PodmanRootless | Kind::PodmanRootful => {
                let reference = query_value(FIXTURE_IMAGE);
                format!("/v4.0.0/libpod/images/import?reference={reference}")
            }
        };
        for change in changes(&self.hash) {
            path.push_str("&changes=");
            path.push_str(&query_value(&change));
        }
        let answer = endpoint.request("POST", &path, &self.tar)?;
        let progress = String::from_utf8_lossy(&answer.body);
        // A failure after the first byte comes as a line among the progress, under status 200.
        if answer.status != 200 || progress.contains("\"error\"") {
            bail!("{endpoint} refused the image: {}", progress.trim());
        }
        Ok(())
    }
}

struct Image {
    id: String,
    hash: String,
}

/// What an engine is to set in the image that it makes of the archive with this hash.
pub(crate) fn changes(hash: &str) -> Vec<String> {
    let label = format!("LABEL {LABEL}={hash}");
    CONFIG
        .map(String::from)
        .into_iter()
        .chain([label])
        .collect()
}

pub(crate) fn hash(tar: &[u8]) -> String {
    let mut sha = Sha256::new();
    for change in CONFIG {
        sha.update(change);
    }
    sha.update(tar);
    sha.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn find(endpoint: &Endpoint) -> Result<Option<Image>> {
    let answer = endpoint.request("GET", &format!("/images/{FIXTURE_IMAGE}/json"), &[])?;
    if answer.status == 404 {
        return Ok(None);
    }
    let image = answer.json()?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Some(Image {
        id: text(&image["Id"]),
        hash: text(&image["Config"]["Labels"][LABEL]),
    }))
}
