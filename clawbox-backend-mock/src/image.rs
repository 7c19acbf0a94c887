//! Images: what an engine knows of one, which programs it holds and which files.

use crate::{
    files::{Content, Node, Tree},
    program::{Argv, Program},
};
use clawbox_containers::engine::ImageFacts;
use clawbox_types::{ImageRef, InvalidValue};
use std::{fmt, sync::Arc};

/// An image of the mock's: a configuration, programs and files.
///
/// ```
/// use clawbox_backend_mock::{Argv, MockImage, Script};
///
/// let image = MockImage::new("ghcr.io/n0xmare/agent:1")?
///     .with_program(["agent", "--version"], Script::stdout("1.0\n"))
///     .with_program("agent", Script::stdout("done\n"))
///     .with_program(Argv::Any, Script::stderr("not here\n").exit(127));
/// # Ok::<(), clawbox_types::InvalidValue>(())
/// ```
#[derive(Clone)]
pub struct MockImage {
    pub(crate) reference: ImageRef,
    pub(crate) facts: ImageFacts,
    pub(crate) files: Arc<Tree>,
    programs: Vec<(Argv, Arc<dyn Program>)>,
}

impl MockImage {
    /// An image without programs, with the directories that every image has and `PATH=/bin`.
    ///
    /// # Errors
    ///
    /// A reference that is none.
    pub fn new(reference: &str) -> Result<Self, InvalidValue> {
        let directory = |path: &str, mode| (path.to_owned(), Node::directory(mode));
        let files = [
            directory("/", 0o755),
            directory("/bin", 0o755),
            directory("/etc", 0o755),
            directory("/run", 0o755),
            directory("/tmp", 0o1777),
        ];
        Ok(Self {
            reference: reference.parse()?,
            facts: ImageFacts {
                env: vec!["PATH=/bin".to_owned()],
                ..ImageFacts::default()
            },
            files: Arc::new(files.into()),
            programs: Vec::new(),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn reference(&self) -> &ImageRef {
        &self.reference
    }

    /// Sets everything that its configuration says. Without an id, the engine gives it one.
    #[must_use]
    pub fn with_facts(mut self, facts: ImageFacts) -> Self {
        self.facts = facts;
        self
    }

    /// Adds a program. Where more than one answers to an argument vector, the most exact one runs, and of
    /// equally exact ones the last.
    #[must_use]
    pub fn with_program(mut self, argv: impl Into<Argv>, program: impl Program) -> Self {
        self.programs.push((argv.into(), Arc::new(program)));
        self
    }

    /// Adds a file of root's, mode 0755. Directories on its way that are not there are made.
    #[must_use]
    pub fn with_file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.with_node(path, Node::file(0o755, Content::from(content.into())))
    }

    /// Adds a directory of root's with these permissions.
    #[must_use]
    pub fn with_directory(self, path: &str, mode: u32) -> Self {
        self.with_node(path, Node::directory(mode))
    }

    fn with_node(mut self, path: &str, node: Node) -> Self {
        let files = Arc::make_mut(&mut self.files);
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
            let parent = path[..at].to_owned();
            files
                .entry(parent)
                .or_insert_with(|| Node::directory(0o755));
        }
        files.insert(path.to_owned(), node);
        self
    }

    pub(crate) fn program(&self, argv: &[String]) -> Option<Arc<dyn Program>> {
        let able = self
            .programs
            .iter()
            .filter(|(which, _)| which.matches(argv));
        // The last of equal ones.
        let best = able.max_by_key(|(which, _)| which.exactness());
        best.map(|(_, program)| Arc::clone(program))
    }
}

impl fmt::Debug for MockImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let programs: Vec<_> = self.programs.iter().map(|(argv, _)| argv).collect();
        f.debug_struct("MockImage")
            .field("reference", &self.reference)
            .field("programs", &programs)
            .finish_non_exhaustive()
    }
}
