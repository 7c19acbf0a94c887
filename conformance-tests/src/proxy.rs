//! A proxy as a host would run one: a socket for each container, opened by that container's token.

use crate::{check::Checked, context::Context};
use clawbox_containers::ContainerTokenStore;
use clawbox_types::ContainerId;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

/// A listening proxy; it ends when this is dropped.
pub(crate) struct Proxy {
    /// Where it listens on the host.
    pub(crate) socket: PathBuf,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Listens for one container, in the layout that the contract asks for, and answers `granted` or `denied` to
    /// what it is sent as a token.
    pub(crate) fn listen(
        context: &Context,
        tokens: Arc<ContainerTokenStore>,
        id: ContainerId,
    ) -> Checked<Self> {
        Self::listen_in(context, "proxy", tokens, id)
    }

    /// The same in a directory of this name.
    pub(crate) fn listen_in(
        context: &Context,
        name: &str,
        tokens: Arc<ContainerTokenStore>,
        id: ContainerId,
    ) -> Checked<Self> {
        let dir = context.dir()?.join(name);
        fs::create_dir(&dir)?;
        fs::set_permissions(&dir, Permissions::from_mode(0o711))?;
        let socket = dir.join("proxy.sock");
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
        let server = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut token = String::new();
                // A client that breaks off gets no answer, which its own report shows.
                if client.read_to_string(&mut token).await.is_ok() {
                    let valid = tokens.validate(&id.to_string(), &token);
                    let answer = if valid { "granted" } else { "denied" };
                    drop(client.write_all(answer.as_bytes()).await);
                }
            }
        });
        Ok(Self { socket, server })
    }

    /// What it answers to `text` that is sent from the host.
    pub(crate) async fn answer_to(&self, text: &str) -> Checked<String> {
        let mut socket = UnixStream::connect(&self.socket).await?;
        socket.write_all(text.as_bytes()).await?;
        socket.shutdown().await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}
