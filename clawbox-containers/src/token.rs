//! Which token opens which container's proxy.

use clawbox_types::{ContainerId, ContainerIdentity, ProxyToken};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use subtle::{Choice, ConstantTimeEq};

/// The tokens of the containers that are alive, shared between a backend and its proxies.
///
/// A token is here from the moment that its container is registered until the container's end, whatever
/// that end is.
#[derive(Default)]
pub struct ContainerTokenStore {
    tokens: Mutex<HashMap<ContainerId, ProxyToken>>,
}

impl ContainerTokenStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether `token` is the token of the live container `id`. The comparison takes the same time
    /// wherever the two differ; an unknown id, and text that is not a token, are `false`.
    #[must_use]
    pub fn validate(&self, id: &str, token: &str) -> bool {
        let known = id
            .parse::<ContainerId>()
            .ok()
            .and_then(|id| self.lock().get(&id).cloned());
        // An unknown id is compared as well, so that the answer's time does not tell the ids.
        let (expected, known) = match known {
            Some(expected) => (expected, Choice::from(1)),
            None => (ProxyToken::from_bytes([0; 32]), Choice::from(0)),
        };
        let equal = expected.reveal().as_bytes().ct_eq(token.as_bytes());
        (equal & known).into()
    }

    /// How many containers hold a token.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no container holds a token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn insert(&self, identity: &ContainerIdentity) {
        self.lock()
            .insert(identity.id.clone(), identity.token.clone());
    }

    pub(crate) fn revoke(&self, id: &ContainerId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ContainerId, ProxyToken>> {
        // A map of plain values is whole after any panic.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ContainerTokenStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ContainerTokenStore({} tokens)", self.len())
    }
}

/// A new identity: a random id, and a token of 32 bytes from the system's random source.
///
/// # Errors
///
/// The system's own, where it has no random source.
pub(crate) fn new_identity() -> Result<ContainerIdentity, std::io::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(ContainerIdentity::new(
        ContainerId::generate(),
        ProxyToken::from_bytes(bytes),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_its_own_container_until_it_is_revoked() {
        let store = ContainerTokenStore::new();
        let (a, b) = (new_identity().unwrap(), new_identity().unwrap());
        store.insert(&a);
        store.insert(&b);
        let (id, token) = (a.id.to_string(), a.token.reveal());
        assert!(store.validate(&id, &token));
        for (id, token) in [
            (id.as_str(), b.token.reveal()),
            (&b.id.to_string(), token.clone()),
            (&id, token[..63].to_owned()),
            (&id, token.to_uppercase() + "0"),
            (&id, String::new()),
            ("", String::new()),
            ("", "0".repeat(64)),
            (&ContainerId::generate().to_string(), "0".repeat(64)),
        ] {
            assert!(!store.validate(id, &token), "{id:?}");
        }
        store.revoke(&a.id);
        assert!(!store.validate(&id, &token));
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn debug_tells_no_token() {
        let store = ContainerTokenStore::new();
        let identity = new_identity().unwrap();
        store.insert(&identity);
        assert_eq!(format!("{store:?}"), "ContainerTokenStore(1 tokens)");
    }
}
