//! What goes into the guest and comes out of it: two disks that are tar archives and nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::image::{self, FIXTURE_IMAGE};

/// Room for the reports.
const RESULTS_SIZE: u64 = 16 << 20;
const SCRIPT: &str = include_str!("job.sh");

/// What the guest is to do.
pub(super) struct Job<'a> {
    pub(super) clawbox: &'a Path,
    /// The fixture image as a tar archive.
    pub(super) fixture: &'a [u8],
    /// The hostile images, as an archive to load.
    pub(super) hostile: &'a [u8],
    pub(super) filter: Option<&'a str>,
}

/// The disks of one run.
pub(super) struct Disks {
    pub(super) job: PathBuf,
    pub(super) results: PathBuf,
}

/// What the guest has left, by the files' names.
pub(super) type Results = BTreeMap<String, Vec<u8>>;

pub(super) fn write(folder: &Path, job: &Job<'_>) -> Result<Disks> {
    clear(folder).with_context(|| format!("clear {}", folder.display()))?;
    let disks = Disks {
        job: folder.join("job.tar"),
        results: folder.join("results.tar"),
    };
    let clawbox =
        fs::read(job.clawbox).with_context(|| format!("read {}", job.clawbox.display()))?;
    let archive = archive(&clawbox, job)?;
    fs::write(&disks.job, archive).with_context(|| format!("write {}", disks.job.display()))?;
    File::create(&disks.results)
        .and_then(|file| file.set_len(RESULTS_SIZE))
        .with_context(|| format!("create {}", disks.results.display()))?;
    Ok(disks)
}

/// Removes what another run has left, so that its results are not taken for this one's.
fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn archive(clawbox: &[u8], job: &Job<'_>) -> Result<Vec<u8>> {
    let changes = image::changes(&image::hash(job.fixture)).join("\n") + "\n";
    let files = [
        ("run", 0o755, SCRIPT.as_bytes()),
        ("clawbox", 0o755, clawbox),
        ("fixture.tar", 0o644, job.fixture),
        ("hostile.tar", 0o644, job.hostile),
        ("image", 0o644, FIXTURE_IMAGE.as_bytes()),
        ("changes", 0o644, changes.as_bytes()),
        ("filter", 0o644, job.filter.unwrap_or_default().as_bytes()),
    ];
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content)?;
    }
    Ok(archive.into_inner()?)
}

/// Takes the results off their disk, and leaves them in the folder as files.
pub(super) fn read(folder: &Path, disks: Disks) -> Result<Results> {
    let file =
        File::open(&disks.results).with_context(|| format!("open {}", disks.results.display()))?;
    let results = unpack(file).context("the guest's results are no archive")?;
    ensure!(!results.is_empty(), "the guest has left no results");
    for (name, content) in &results {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    for disk in [&disks.job, &disks.results] {
        fs::remove_file(disk).with_context(|| format!("remove {}", disk.display()))?;
    }
    Ok(results)
}

/// Files only, by their last names: nothing in the guest decides where the host writes.
fn unpack(archive: impl Read) -> Result<Results> {
    let mut results = Results::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.into_owned();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name", path.display()))?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        results.insert(name.to_owned(), content);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_is_all_that_its_script_needs() {
        let job = Job {
            clawbox: Path::new("unused"),
            fixture: b"an image",
            hostile: b"more images",
            filter: Some("limits"),
        };
        let bytes = archive(b"a program", &job).expect("an archive");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let modes = archive.entries().expect("entries").map(|entry| {
            let entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            (path, entry.header().mode().expect("a mode"))
        });
        let modes: BTreeMap<String, u32> = modes.collect();
        let files = unpack(bytes.as_slice()).expect("files");
        assert_eq!(files["filter"], b"limits");
        assert_eq!(files["clawbox"], b"a program");
        assert!(files["changes"].starts_with(b"ENV PATH=/bin\nLABEL fixture.sha256="));
        assert!(
            files["changes"].ends_with(b"\n"),
            "`read` takes whole lines"
        );
        // The guest's ordinary user reads what root has unpacked.
        for (name, mode) in modes {
            let expected = match SCRIPT.contains(&format!("/job/{name}")) {
                _ if name == "run" => 0o755,
                true if name == "clawbox" => 0o755,
                true => 0o644,
                false => panic!("the script has no use for {name}"),
            };
            assert_eq!(mode, expected, "{name}");
        }
    }

    #[test]
    fn an_empty_disk_has_no_results() {
        assert!(unpack(vec![0; 4096].as_slice()).expect("none").is_empty());
    }

    #[test]
    fn results_are_files_whatever_folder_they_name() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, "a/b/report.json", b"{}".as_slice())
            .unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, "passwd", "/etc/passwd")
            .unwrap();
        let bytes = archive.into_inner().expect("an archive");
        let results = unpack(bytes.as_slice()).expect("results");
        let expected = [("report.json".to_owned(), b"{}".to_vec())];
        assert_eq!(results, Results::from(expected));
    }
}
