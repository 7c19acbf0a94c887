//! The chore that holds the engine: it is asked in lines, and answers in lines.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

/// What begins a line that is for the chore; all others are for people.
const MARK: &str = "@engine ";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Kill,
    /// Ended as it is when its host is shut down.
    Leave,
    Start,
    Stop,
    Continue,
    /// Answered with the file system that is full, or `none` where there is none that could be.
    Fill,
    Empty,
    Names,
}

/// All that the engine has, whosever it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub(crate) containers: Vec<String>,
    pub(crate) volumes: Vec<String>,
}

pub(crate) struct Chore {
    answers: Lines<BufReader<Stdin>>,
}

impl Chore {
    pub(crate) fn new() -> Self {
        Self {
            answers: BufReader::new(tokio::io::stdin()).lines(),
        }
    }

    /// Returns when it is done.
    pub(crate) async fn order(&mut self, order: Order) -> Result<String> {
        let word = match order {
            Order::Kill => "kill",
            Order::Leave => "leave",
            Order::Start => "start",
            Order::Stop => "stop",
            Order::Continue => "continue",
            Order::Fill => "fill",
            Order::Empty => "empty",
            Order::Names => "names",
        };
        println!("{MARK}{word}");
        let answer = self.answers.next_line().await.context("hear the chore")?;
        match answer.as_deref().and_then(|line| line.split_once(' ')) {
            Some(("done", rest)) => Ok(rest.to_owned()),
            Some(("failed", why)) => bail!("{word}: {why}"),
            _ => bail!("{word}: answered with {answer:?}; this is run by `cargo xtask chaos`"),
        }
    }

    pub(crate) async fn names(&mut self) -> Result<Names> {
        let text = self.order(Order::Names).await?;
        serde_json::from_str(&text).context("read what the engine has")
    }
}
