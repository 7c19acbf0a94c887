//! What the tests on root's Podman share.

mod http;

pub(crate) use clawbox_conformance::{
    FIXTURE_IMAGE as IMAGE,
    test_engine::{policy, request},
};
pub(crate) use http::{ask, get};

use clawbox_backend_podman::{PodmanBackend, PodmanEngine};
use clawbox_conformance::test_engine::{self, TestEngine};
use clawbox_containers::ContainerSecurityConfig;

pub(crate) const PODMAN: TestEngine =
    TestEngine::new("podman-rootful", "CLAWBOX_TEST_PODMAN_ROOTFUL_HOST");

pub(crate) fn engine(host: &str) -> PodmanEngine {
    PodmanEngine::connect(Some(host)).unwrap()
}

pub(crate) fn backend(host: &str, security: &ContainerSecurityConfig) -> PodmanBackend {
    test_engine::backend(engine(host), security)
}
