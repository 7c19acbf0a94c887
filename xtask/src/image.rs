//! `cargo xtask fixture`: the images that tests and the demo run, made here and never pulled.

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::engines::{Kind, packages};
use crate::fixture::{self, hostile::HOSTILE_IMAGE};
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

/// The images as they are given to engines.
pub(crate) struct Fixture {
    built: fixture::Built,
    /// What it was made from.
    hash: String,
}

impl Fixture {
    pub(crate) fn build(consent: Consent) -> Result<Self> {
        packages::ensure(&packages::FIXTURE, consent)?;
        let built = fixture::build(&workspace::root()?).context("build the fixture image")?;
        let hash = hash(&built.tar);
        Ok(Self { built, hash })
    }

    /// Gives the images to an engine, those that it has not got yet.
    pub(crate) fn import(&self, session: &Session) -> Result<()> {
        self.import_plain(session)?;
        self.load_hostile(session)
    }

    fn load_hostile(&self, session: &Session) -> Result<()> {
        let Session { kind, endpoint, .. } = session;
        let hash = &self.built.hostile_hash;
        let there = || -> Result<bool> {
            let found = find(endpoint, HOSTILE_IMAGE, fixture::hostile::LABEL)?;
            Ok(found.is_some_and(|image| image.hash == *hash))
        };
        if there()? {
            say!("{HOSTILE_IMAGE} is up to date in {endpoint}");
            return Ok(());
        }
        let path = match kind {
            Kind::Docker => "/images/load",
            Kind::PodmanRootless | Kind::PodmanRootful => "/v4.0.0/libpod/images/load",
        };
        let answer = endpoint.request("POST", path, &self.built.hostile)?;
        if !there()? {
            let words = String::from_utf8_lossy(&answer.body);
            bail!("{HOSTILE_IMAGE} was loaded into {endpoint}, which does not show it: {words}");
        }
        say!("{HOSTILE_IMAGE} and its like loaded into {endpoint}");
        Ok(())
    }

    fn import_plain(&self, session: &Session) -> Result<()> {
        let Session { kind, endpoint, .. } = session;
        let before = find(endpoint, FIXTURE_IMAGE, LABEL)?;
        if before.as_ref().is_some_and(|image| image.hash == self.hash) {
            say!("{FIXTURE_IMAGE} is up to date in {endpoint}");
            return Ok(());
        }
        self.create(*kind, endpoint)?;
        match find(endpoint, FIXTURE_IMAGE, LABEL)? {
            Some(image) if image.hash == self.hash => {}
            _ => bail!("{FIXTURE_IMAGE} was imported into {endpoint}, which does not show it"),
        }
        if let Some(old) = before {
            // Nameless now. An engine that still uses it refuses, and may keep it.
            endpoint.request("DELETE", &format!("/images/{}", old.id), &[])?;
        }
        let kib = self.built.tar.len() / 1024;
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
        let answer = endpoint.request("POST", &path, &self.built.tar)?;
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

/// An image that the engine has, and the hash that this label of it tells.
fn find(endpoint: &Endpoint, name: &str, label: &str) -> Result<Option<Image>> {
    let answer = endpoint.request("GET", &format!("/images/{name}/json"), &[])?;
    if answer.status == 404 {
        return Ok(None);
    }
    let image = answer.json()?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Some(Image {
        id: text(&image["Id"]),
        hash: text(&image["Config"]["Labels"][label]),
    }))
}
