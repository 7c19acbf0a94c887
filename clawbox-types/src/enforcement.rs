//! What was asked of an engine, what was observed, and whether they agree.

use crate::{ImageRef, PolicyItem};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a policy item holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// What was observed is what was planned.
    Enforced,
    /// Nothing that looked could see it.
    Unverified,
    /// What was observed differs from what was planned, or the engine said that it would not hold.
    NotEnforced,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforced => "enforced",
            Self::Unverified => "unverified",
            Self::NotEnforced => "not enforced",
        })
    }
}

/// One policy item of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ItemReport {
    /// Which item.
    pub item: PolicyItem,
    /// What the plan says.
    pub requested: String,
    /// What the engine says of it, or why it says nothing.
    pub observed: String,
    /// What the kernel gives, as process 1 saw it from inside, or why it could not be seen.
    /// `None` where the kernel knows nothing of such an item, or was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Whether it holds.
    pub verdict: Verdict,
}

impl ItemReport {
    /// A report of `item`.
    pub fn new(
        item: PolicyItem,
        requested: impl Into<String>,
        observed: impl Into<String>,
        verdict: Verdict,
    ) -> Self {
        Self {
            item,
            requested: requested.into(),
            observed: observed.into(),
            kernel: None,
            verdict,
        }
    }
}

impl fmt::Display for ItemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: requested {}, observed {}",
            self.item, self.verdict, self.requested, self.observed
        )?;
        match &self.kernel {
            Some(kernel) => write!(f, ", the kernel gives {kernel}"),
            None => Ok(()),
        }
    }
}

/// Which image was asked for, and what an engine took it for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageIdentity {
    /// What was asked for, in its canonical form.
    pub reference: ImageRef,
    /// The image's id at the engine, by which the container was created.
    pub id: String,
    /// The digest by which the registry of `reference` has it, where the engine knows one: an image that was imported or
    /// built has none.
    pub digest: Option<String>,
}

impl ImageIdentity {
    /// This image, as an engine has it.
    pub fn new(reference: ImageRef, id: impl Into<String>, digest: Option<String>) -> Self {
        Self {
            reference,
            id: id.into(),
            digest,
        }
    }
}

/// Every policy item of one container, in the order of [`PolicyItem::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EnforcementReport {
    /// One report for each item.
    pub items: Vec<ItemReport>,
    /// What the engine warned of when it created the container.
    pub warnings: Vec<String>,
    /// The image that the container was made of; told by a manager, which knows what was asked for.
    #[serde(default)]
    pub image: Option<ImageIdentity>,
}

impl EnforcementReport {
    /// A report of these items and warnings.
    #[must_use]
    pub const fn new(items: Vec<ItemReport>, warnings: Vec<String>) -> Self {
        Self {
            items,
            warnings,
            image: None,
        }
    }

    /// With the image that the container was made of.
    #[must_use]
    pub fn with_image(mut self, image: ImageIdentity) -> Self {
        self.image = Some(image);
        self
    }

    /// The report of one item.
    #[must_use]
    pub fn get(&self, item: PolicyItem) -> Option<&ItemReport> {
        self.items.iter().find(|report| report.item == item)
    }

    /// The items that do not hold.
    pub fn not_enforced(&self) -> impl Iterator<Item = &ItemReport> {
        self.items
            .iter()
            .filter(|report| report.verdict == Verdict::NotEnforced)
    }
}
