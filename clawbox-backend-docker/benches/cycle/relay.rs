//! Between process 1 and its manager: it hands on what they say, or answers the manager's questions itself.

use crate::{
    Outcome,
    gates::{Clock, Gates, Step},
};
use clawbox_containers::{
    init::CONTAINER_INIT_DIR,
    kernel::{Answer, Answers, looks},
    plan::PlanSpec,
};
use clawbox_init::protocol::{FROM_INIT_BYTES, FromInit, Header, TO_INIT_BYTES, ToInit};
use rustix::{
    process::{Uid, geteuid},
    thread::set_thread_uid,
};
use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net::UnixStream as Blocking},
    },
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::Instant,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
};

/// Where process 1 connects to, and where its manager listens once that is the relay's.
const SOCKET: &str = "control.sock";
const MANAGERS: &str = "manager.sock";

pub(crate) struct Relay {
    clock: Arc<Clock>,
    recorded: OnceLock<Recorded>,
}

/// What process 1 of a container of this plan answered, in whole frames.
struct Recorded {
    spec: PlanSpec,
    frames: Vec<Vec<u8>>,
}

impl Recorded {
    /// The same of a container of another name. Names are of one length.
    fn of(&self, name: &str) -> Vec<u8> {
        let (from, to) = (self.spec.identity.name.as_bytes(), name.as_bytes());
        let mut frames = self.frames.concat();
        let mut at = 0;
        while let Some(bytes) = frames.get_mut(at..at + from.len()) {
            if bytes == from {
                bytes.copy_from_slice(to);
            }
            at += 1;
        }
        frames
    }
}

impl Relay {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self {
            clock,
            recorded: OnceLock::new(),
        }
    }

    /// A plan, and what process 1 answered to its questions.
    pub(crate) fn recorded(&self) -> Outcome<(&PlanSpec, Answers)> {
        let Recorded { spec, frames } = self.recorded.get().ok_or("nothing is recorded")?;
        let mut answers = Answers::default();
        for (look, frame) in looks(spec).into_iter().zip(frames) {
            let (header, payload) = frame.split_first_chunk().ok_or("no frame")?;
            let decoded = Header::decode(*header, FROM_INIT_BYTES)
                .and_then(|header| FromInit::decode(header.kind, payload));
            let Ok(FromInit::Answer { result, bytes }) = decoded else {
                return Err("no answer".into());
            };
            let bytes = bytes.to_vec();
            answers.insert(look, Answer { result, bytes });
        }
        Ok((spec, answers))
    }

    /// Takes the place of the manager's socket in a container's directory.
    pub(crate) fn stand_between(self: Arc<Self>, spec: &PlanSpec, gates: Gates) -> io::Result<()> {
        let mut binds = spec.mounts.0.iter();
        let bind = binds.find(|bind| bind.target == CONTAINER_INIT_DIR);
        let dir = &bind.ok_or_else(|| invalid("process 1 is not ours"))?.source;
        // By the descriptor, as the path may be longer than a socket's may be.
        let dir = File::open(dir)?;
        let inside = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let socket = Path::new(&inside).join(SOCKET);
        fs::rename(&socket, Path::new(&inside).join(MANAGERS))?;
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
        let user = spec.user.split(':').next().and_then(|uid| uid.parse().ok());
        let user = Uid::from_raw(user.ok_or_else(|| invalid("a user without a number"))?);
        let spec = spec.clone();
        tokio::spawn(async move {
            if let Err(error) = self.hand_on(listener, &dir, user, &spec, gates).await {
                eprintln!("the relay of {}: {error}", spec.identity.name);
            }
        });
        Ok(())
    }

    async fn hand_on(
        &self,
        listener: UnixListener,
        dir: &File,
        user: Uid,
        spec: &PlanSpec,
        gates: Gates,
    ) -> io::Result<()> {
        let repeated = match gates {
            Gates::On => None,
            Gates::Off => {
                let recorded = self.recorded.get();
                Some(
                    recorded
                        .ok_or_else(|| invalid("nothing is recorded"))?
                        .of(&spec.identity.name),
                )
            }
        };
        let (mut process_one, _) = listener.accept().await?;
        let mut manager = connect(dir, user)?;
        if let Some(answers) = repeated {
            let (_, greeting) = frame(&mut process_one, FROM_INIT_BYTES).await?;
            manager.write_all(&greeting).await?;
            frame(&mut manager, TO_INIT_BYTES).await?;
            manager.write_all(&answers).await?;
        } else {
            let frames = self.record(&mut process_one, &mut manager).await?;
            let spec = spec.clone();
            // The first one stays.
            self.recorded.get_or_init(|| Recorded { spec, frames });
        }
        match copy_bidirectional(&mut process_one, &mut manager).await {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    /// Hands on the greeting, the questions and the answers, which it gives.
    async fn record(
        &self,
        process_one: &mut UnixStream,
        manager: &mut UnixStream,
    ) -> io::Result<Vec<Vec<u8>>> {
        let (_, greeting) = frame(process_one, FROM_INIT_BYTES).await?;
        manager.write_all(&greeting).await?;
        let (header, asked) = frame(manager, TO_INIT_BYTES).await?;
        let start = Instant::now();
        process_one.write_all(&asked).await?;
        let Ok(ToInit::Ask(questions)) = ToInit::decode(header.kind, &asked[Header::BYTES..])
        else {
            return Err(invalid("no questions"));
        };
        let mut answers = Vec::new();
        for _ in questions.iter() {
            let (_, answer) = frame(process_one, FROM_INIT_BYTES).await?;
            manager.write_all(&answer).await?;
            answers.push(answer);
        }
        self.clock.note(Step::Answers, start);
        Ok(answers)
    }
}

/// Connects as process 1's user, who alone is let in. A thread of its own can be another user than the process.
fn connect(dir: &File, user: Uid) -> io::Result<UnixStream> {
    let socket = format!("/proc/self/fd/{}/{MANAGERS}", dir.as_raw_fd());
    let connected = thread::spawn(move || {
        if geteuid() != user {
            set_thread_uid(user).map_err(|error| {
                io::Error::other(format!(
                    "not to be user {}, {error}; run as root",
                    user.as_raw()
                ))
            })?;
        }
        Blocking::connect(socket)
    });
    let stream = connected.join().map_err(|_| invalid("a panic"))??;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// The next frame: what its header says, and all of its bytes.
async fn frame(stream: &mut UnixStream, most: u32) -> io::Result<(Header, Vec<u8>)> {
    let mut bytes = [0; Header::BYTES];
    stream.read_exact(&mut bytes).await?;
    let header = Header::decode(bytes, most).map_err(|_| invalid("no frame"))?;
    let mut frame = bytes.to_vec();
    frame.resize(Header::BYTES + header.length as usize, 0);
    stream.read_exact(&mut frame[Header::BYTES..]).await?;
    Ok((header, frame))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
