//! The labels by which a container of ours is found again, and told from one that only looks like it.

use crate::{engine::ListedContainer, owner::OwnerId};
use clawbox_types::ContainerId;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// What all of our labels begin with.
pub(crate) const PREFIX: &str = "clawbox.";

const SCHEMA: &str = "clawbox.schema";
const ID: &str = "clawbox.container_id";
const OWNER: &str = "clawbox.owner";
const USER: &str = "clawbox.user";
const DEADLINE: &str = "clawbox.deadline";

/// The version of the set of labels.
const VERSION: &str = "1";

/// What our labels say of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) id: ContainerId,
    pub(crate) owner: OwnerId,
    /// After this it may not run any more.
    pub(crate) deadline: OffsetDateTime,
}

impl Ours {
    pub(crate) fn encode(&self) -> BTreeMap<String, String> {
        let mut labels = selector();
        labels.insert(ID.to_owned(), self.id.to_string());
        labels.insert(OWNER.to_owned(), self.owner.to_string());
        labels.insert(
            DEADLINE.to_owned(),
            self.deadline.unix_timestamp().to_string(),
        );
        labels
    }

    /// Reads the labels of a listed container. Nothing that is not exactly as we write it is ours: a user's
    /// own container may carry our labels.
    pub(crate) fn decode(listed: &ListedContainer) -> Option<Self> {
        let label = |key: &str| listed.labels.get(key).map(String::as_str);
        if selector()
            .iter()
            .any(|(key, value)| label(key) != Some(value))
            || label(ID)? != listed.name
        {
            return None;
        }
        Some(Self {
            id: label(ID)?.parse().ok()?,
            owner: label(OWNER)?.parse().ok()?,
            deadline: OffsetDateTime::from_unix_timestamp(label(DEADLINE)?.parse().ok()?).ok()?,
        })
    }
}

/// The labels that every container of this user's has.
pub(crate) fn selector() -> BTreeMap<String, String> {
    let user = rustix::process::getuid().as_raw().to_string();
    BTreeMap::from([
        (SCHEMA.to_owned(), VERSION.to_owned()),
        (USER.to_owned(), user),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EnginePhase;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_foreign() {
        let ours = Ours {
            id: ContainerId::generate(),
            owner: OwnerId::generate(),
            deadline: OffsetDateTime::UNIX_EPOCH,
        };
        let listed = ListedContainer {
            name: ours.id.to_string(),
            labels: ours.encode(),
            phase: EnginePhase::Running,
        };
        assert_eq!(Ours::decode(&listed), Some(ours.clone()));
        // Other versions of clawbox find containers by these names.
        let user = rustix::process::getuid().as_raw().to_string();
        let expected = [
            ("clawbox.container_id", ours.id.to_string()),
            ("clawbox.deadline", "0".to_owned()),
            ("clawbox.owner", ours.owner.to_string()),
            ("clawbox.schema", "1".to_owned()),
            ("clawbox.user", user),
        ];
        assert_eq!(
            ours.encode(),
            expected.map(|(key, value)| (key.to_owned(), value)).into()
        );
        for key in ours.encode().keys() {
            let mut foreign = listed.clone();
            foreign.labels.remove(key);
            assert_eq!(Ours::decode(&foreign), None, "without {key}");
            foreign.labels.insert(key.clone(), "x".to_owned());
            assert_eq!(Ours::decode(&foreign), None, "with another {key}");
        }
        let renamed = ListedContainer {
            name: ContainerId::generate().to_string(),
            ..listed
        };
        assert_eq!(Ours::decode(&renamed), None);
    }
}
