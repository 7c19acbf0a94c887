//! What a program can do, as far as its container's plan allows.

use crate::{
    container::Container,
    errno::Errno,
    files::{Data, Open},
    kernel::{self, Held},
    run::Run,
    seccomp::Filter,
};
use clawbox_containers::plan::PlanSpec;
use clawbox_types::OutputStream;
use std::{
    future::{Future, pending},
    os::{linux::net::SocketAddrExt, unix::net::SocketAddr},
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{io::AsyncRead, net::UnixStream};

/// A command of a mock container, from inside.
///
/// Everything that it may do is decided from the plan of its container, so that a weaker plan shows. A
/// clone is the same process: a thread of it.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    run: Arc<Run>,
    uid: u32,
    gid: u32,
    descriptors: AtomicU64,
}

const SIGSTOP: i32 = 19;

/// Standard input, output and error.
const STANDARD_DESCRIPTORS: u64 = 3;

impl Process {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        let (uid, gid) = kernel::user(&run.container.spec);
        Self(Arc::new(Inner {
            run,
            uid,
            gid,
            descriptors: AtomicU64::new(STANDARD_DESCRIPTORS),
        }))
    }

    /// The plan that its container runs under. Under `clawbox-init` that names neither the command nor its
    /// environment.
    #[must_use]
    pub fn plan(&self) -> &PlanSpec {
        &self.container().spec
    }

    /// Its arguments, the program's name first.
    #[must_use]
    pub fn argv(&self) -> &[String] {
        &self.0.run.command.argv
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(&self, key: &str) -> Option<&str> {
        self.0.run.command.environment.get(key).map(String::as_str)
    }

    /// Its whole environment, by key.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.run.command.environment.iter();
        all.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Its working directory.
    #[must_use]
    pub fn working_dir(&self) -> &str {
        &self.0.run.command.working_dir
    }

    /// Its user id.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.0.uid
    }

    /// Its group id.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.0.gid
    }

    /// The host name, the container's own where the plan gives it one.
    #[must_use]
    pub fn hostname(&self) -> &str {
        kernel::host_name(self.plan())
    }

    /// The system call filter that it is under.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter::of(&self.plan().seccomp)
    }

    /// Its standard input: what came with the command, and else `/dev/null`, where a read is at the end at once.
    pub fn stdin(&self) -> impl AsyncRead + Send + Unpin + 'static {
        self.0.run.streams.stdin()
    }

    /// Prints to standard output. What nobody is attached to is lost; a slow reader is waited for.
    pub async fn stdout(&self, bytes: impl AsRef<[u8]>) {
        let run = &self.0.run;
        run.print(OutputStream::Stdout, bytes.as_ref()).await;
    }

    /// Prints to standard error.
    pub async fn stderr(&self, bytes: impl AsRef<[u8]>) {
        let run = &self.0.run;
        run.print(OutputStream::Stderr, bytes.as_ref()).await;
    }

    /// Closes standard output: who reads it is at its end, and what is printed to it from here on is lost.
    pub fn close_stdout(&self) {
        self.0.run.close_stdout();
    }

    /// Waits, on tokio's clock.
    pub async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Ignores `SIGTERM` from here on; it ends the process otherwise.
    pub fn ignore_term(&self) {
        self.0.run.ignore_term();
    }

    /// Handles `SIGTERM` from here on: the future is ready when one has come.
    pub fn terminated(&self) -> impl Future<Output = ()> + Send + 'static {
        let run = Arc::clone(&self.0.run);
        run.await_term();
        async move { run.term_came().await }
    }

    /// Sends itself a signal with its default effect. Returns only if it survives that.
    pub async fn raise(&self, signal: i32) {
        if signal == SIGSTOP {
            // A stopped process hears of nothing but its end; nobody lets it go on.
            self.ignore_term();
            return pending().await;
        }
        if self.0.run.die_of(signal) {
            pending::<()>().await;
        }
    }

    /// Takes memory, in bytes, and keeps it. Beyond the plan's limit the kernel kills the process.
    pub async fn allocate(&self, bytes: u64) {
        self.held().allocate(bytes);
        self.stay_within_memory().await;
    }

    /// Starts a child that does nothing. It lives until the answer is dropped.
    ///
    /// # Errors
    ///
    /// `EAGAIN` where as many processes live as the plan allows, process 1 and this one among them.
    pub fn fork(&self) -> Result<Child, Errno> {
        self.held().fork()?;
        Ok(Child(self.clone()))
    }

    /// Opens a descriptor. It stays open until the answer is dropped.
    ///
    /// # Errors
    ///
    /// `EMFILE` where as many are open as the plan allows, the three standard ones among them.
    pub fn open_descriptor(&self) -> Result<Descriptor, Errno> {
        let most = kernel::limit(self.plan(), "nofile").soft;
        let one_more = |open| (open < most).then_some(open + 1);
        self.0
            .descriptors
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map_err(|_| Errno::EMFILE)?;
        Ok(Descriptor(self.clone()))
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As a kernel's: no such file, a directory, no permission.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, Errno> {
        self.read_at_most(path, u64::from(u32::MAX))
    }

    /// Reads at most so many bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_at_most(&self, path: &str, bytes: u64) -> Result<Vec<u8>, Errno> {
        self.held().files.read(&self.absolute(path), bytes)
    }

    /// Makes the file's content this, creating it if need be.
    ///
    /// # Errors
    ///
    /// As a kernel's under the plan: `EROFS`, `ENOSPC`, `EFBIG`, `EACCES`, `ENOENT`, …
    pub async fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), Errno> {
        self.put(path, Data::Bytes(content.as_ref()), Open::Truncate)
            .await
            .1
    }

    /// Adds to the end of a file, creating it if need be. What fits is written, also on an error.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub async fn append(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), Errno> {
        self.put(path, Data::Bytes(content.as_ref()), Open::Append)
            .await
            .1
    }

    /// Adds so many zero bytes to the end of a file, and returns how many there was room for. The mock
    /// itself keeps only their number.
    pub async fn fill(&self, path: &str, bytes: u64) -> (u64, Result<(), Errno>) {
        self.put(path, Data::Zeros(bytes), Open::Append).await
    }

    /// Creates an empty file where there is none.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), and `EEXIST`.
    pub async fn create_new(&self, path: &str) -> Result<(), Errno> {
        self.put(path, Data::Zeros(0), Open::New).await.1
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), and `EEXIST`.
    pub fn make_directory(&self, path: &str) -> Result<(), Errno> {
        let path = self.absolute(path);
        self.held().files.make_directory(&path)
    }

    /// Removes a file that the process has written.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); `EPERM` for a file of the image's.
    pub fn remove(&self, path: &str) -> Result<(), Errno> {
        let path = self.absolute(path);
        self.held().files.remove(&path)
    }

    /// Makes a file that the process has written executable.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); `EPERM` for a file of the image's.
    pub fn make_executable(&self, path: &str) -> Result<(), Errno> {
        let path = self.absolute(path);
        self.held().files.make_executable(&path)
    }

    /// Executes a file as a child that exits at once.
    ///
    /// # Errors
    ///
    /// As a kernel's: `EACCES` where the file or its mount is not executable, `ENOENT`, …
    pub fn execute(&self, path: &str) -> Result<(), Errno> {
        let path = self.absolute(path);
        self.held().files.executable(&path)
    }

    /// Connects to a unix socket: the host's, where a bind of the plan leads to one. A path that begins with `@` is
    /// a name of the network's, and the host's where the network is.
    ///
    /// That is real input and output, so tokio's clock should not be paused meanwhile: it would leap.
    ///
    /// # Errors
    ///
    /// `ENOENT` where no bind leads anywhere; otherwise the host's answer.
    pub async fn connect(&self, path: &str) -> Result<UnixStream, Errno> {
        if let Some(name) = path.strip_prefix('@') {
            return self.connect_abstract(name);
        }
        let host = self.held().files.host_path(&self.absolute(path))?;
        let host = host.ok_or(Errno::ECONNREFUSED)?;
        UnixStream::connect(host)
            .await
            .map_err(|error| Errno::of(&error))
    }

    fn connect_abstract(&self, name: &str) -> Result<UnixStream, Errno> {
        if !kernel::has_network_of_the_host(self.plan()) {
            return Err(Errno::ECONNREFUSED);
        }
        let open = || {
            let address = SocketAddr::from_abstract_name(name)?;
            let socket = std::os::unix::net::UnixStream::connect_addr(&address)?;
            socket.set_nonblocking(true)?;
            UnixStream::from_std(socket)
        };
        open().map_err(|error| Errno::of(&error))
    }

    async fn put(&self, path: &str, data: Data<'_>, how: Open) -> (u64, Result<(), Errno>) {
        let path = self.absolute(path);
        let written = self.held().files.write(&path, data, how);
        self.stay_within_memory().await;
        written
    }

    /// Does not return where files and allocations together are beyond the plan's memory.
    async fn stay_within_memory(&self) {
        let dies = self.held().is_out_of_memory();
        if dies {
            self.0.run.oom_kill();
            pending::<()>().await;
        }
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.working_dir())
        }
    }

    fn container(&self) -> &Container {
        &self.0.run.container
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.container().held()
    }
}

/// A child process that does nothing, until it is dropped.
pub struct Child(Process);

impl Drop for Child {
    fn drop(&mut self) {
        self.0.held().reap();
    }
}

/// An open descriptor, until it is dropped.
pub struct Descriptor(Process);

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.0.descriptors.fetch_sub(1, Ordering::Relaxed);
    }
}
