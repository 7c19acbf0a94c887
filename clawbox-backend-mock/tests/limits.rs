//! A limit that the engine's host does not enforce: the engine says so, and nothing but that limit is off.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use clawbox_backend_mock::{Limit, MockBackend, MockEngine, fixture, mock_config};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerSecurityConfig, facts::Observed,
};
use clawbox_probe::{CgroupLimits, Command, Count, Facts};
use clawbox_types::{Capabilities, ContainerSpawnRequest, PolicyItem, ResourceLimits};
use serde::de::DeserializeOwned;

/// A backend whose host lacks these limits, which its operator allows.
fn allowing(missing: &[Limit]) -> MockBackend {
    let items = missing.iter().map(|limit| limit.item());
    backend(missing, items.collect())
}

fn backend(missing: &[Limit], allowed: Vec<PolicyItem>) -> MockBackend {
    let engine = MockEngine::new();
    fixture::install(&engine);
    missing.iter().for_each(|limit| engine.without(*limit));
    let mut security = ContainerSecurityConfig::new();
    security.allow_degraded.extend(allowed);
    {
        let config = mock_config(&engine);
        MockBackend::new(engine, &security, config).unwrap()
    }
}

fn request(command: &Command) -> ContainerSpawnRequest {
    let limits = ResourceLimits::new(60_000, 64).with_pids(16);
    let limits = limits.with_cpu_millis(500).with_cpu_shares(512);
    ContainerSpawnRequest::new("a test", Capabilities::default().with_resources(limits))
        .with_image(fixture::FIXTURE_IMAGE)
        .with_command(command.argv())
}

async fn report<T: DeserializeOwned>(backend: &MockBackend, command: &Command) -> Option<T> {
    let id = backend.spawn(request(command)).await.unwrap().container_id;
    backend.wait(&id).await.unwrap();
    let output = backend.collect_output(&id).await.unwrap();
    serde_json::from_str(&output.stdout.text()).ok()
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_told_and_refused() {
    for limit in Limit::ALL {
        let backend = backend(&[limit], Vec::new());
        let info = backend.info().await.unwrap();
        let missing: Vec<PolicyItem> = info
            .abilities
            .iter()
            .filter(|ability| !ability.available)
            .map(|ability| ability.item)
            .collect();
        assert_eq!(missing, [limit.item()]);
        let refused = backend.spawn(request(&Command::Facts)).await;
        let Err(ContainerError::PolicyNotEnforced { items, .. }) = refused else {
            panic!("{limit:?}: {refused:?}");
        };
        let items: Vec<PolicyItem> = items.iter().map(|item| item.item).collect();
        assert_eq!(items, [limit.item()]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_inspection_says_0_even_where_nobody_warns() {
    for limit in Limit::ALL {
        let backend = allowing(&[limit]);
        let id = backend.spawn(request(&Command::Facts)).await.unwrap();
        let facts = backend
            .engine()
            .inspect(&id.container_id)
            .await
            .unwrap()
            .facts;
        let says_0 = match limit {
            Limit::Pids => facts.pids == Observed::Seen(0),
            Limit::Memory => facts.memory == Observed::Seen(0),
            Limit::Swap => facts.memory_and_swap == Observed::Seen(0),
            Limit::Cpu => matches!(facts.cpu, Observed::Seen(cpu) if cpu.quota_us == 0),
            Limit::CpuShares => facts.cpu_shares == Observed::Seen(0),
        };
        assert!(says_0, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_limit_is_off_and_no_other() {
    let seen = async |missing: &[Limit]| -> CgroupLimits {
        let facts: Option<Facts> = report(&allowing(missing), &Command::Facts).await;
        facts.unwrap().cgroup
    };
    let all = seen(&[]).await;
    for limit in Limit::ALL {
        let mut expected = all;
        match limit {
            Limit::Pids => expected.pids = Some(u64::MAX),
            Limit::Memory => expected.memory = Some(u64::MAX),
            Limit::Swap => expected.memory_and_swap = Some(u64::MAX),
            Limit::Cpu => expected.cpu_quota_us = Some(u64::MAX),
            Limit::CpuShares => expected.cpu_weight = Some(1 + 1022 * 9999 / 262_142),
        }
        assert_ne!(expected, all, "{limit:?}");
        assert_eq!(seen(&[limit]).await, expected, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn processes_and_memory_go_beyond_a_missing_limit() {
    let fork = Command::Fork { max: 64 };
    for (missing, forked) in [(&[][..], 14), (&[Limit::Pids], 64)] {
        let count: Option<Count> = report(&allowing(missing), &fork).await;
        assert_eq!(count.unwrap().count, forked);
    }
    let alloc = request(&Command::Alloc { mebibytes: 256 });
    for (missing, code) in [(&[][..], 137), (&[Limit::Memory], 0)] {
        let backend = allowing(missing);
        let id = backend.spawn(alloc.clone()).await.unwrap().container_id;
        assert_eq!(backend.wait(&id).await.unwrap().exit_code, Some(code));
    }
}
