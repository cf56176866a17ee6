//! One stream of a NATS server, asked with deadlines.

use super::super::url::ServerUrl;
use super::super::wire::Wire;
use crate::Error;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, Info, PersistenceMode, RawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use std::future::Future;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Pauses between two tries to connect again.
const MOST_PAUSE_MS: u64 = 300;
/// Messages that are asked for at once, and that wait to be read.
const READ_MESSAGES: usize = 64;
/// Before the name of a log, in the subject of its messages.
const SUBJECT: &str = "semrank.log.";

/// What a server said to a message.
pub(super) enum Published {
    /// It is durable, with this number in the stream.
    At(u64),
    Refused(PublishErrorKind),
}

/// A stream of a server.
pub(super) struct Nats {
    wire: Wire,
    client: Client,
    context: Context,
    /// The stream, and what errors call it.
    stream: String,
    name: String,
}

/// Is given the number and the bytes of each message, and says whether to go on.
type EachMessage<'v> = &'v mut dyn FnMut(u64, &[u8]) -> Result<ControlFlow<()>, Error>;

impl Nats {
    pub(super) fn connect(url: &ServerUrl, until: Instant) -> Result<Self, Error> {
        let name = url.to_string();
        let wire = Wire::new().map_err(Error::io("start a thread for", name.as_ref()))?;
        let (address, wait) = (url.without_options(), url.wait);
        let connect = async move {
            let options = ConnectOptions::new()
                .name("semrank")
                .connection_timeout(wait)
                .request_timeout(Some(wait))
                .max_reconnects(None)
                .reconnect_delay_callback(|tries| {
                    Duration::from_millis((20 * tries as u64).min(MOST_PAUSE_MS))
                });
            let client = options.connect(address).await.map_err(|error| error.to_string())?;
            let context = async_nats::jetstream::context::ContextBuilder::new()
                .timeout(wait)
                .ack_timeout(wait)
                .build(client.clone());
            Ok::<_, String>((client, context))
        };
        let connected = wire.run(until, connect).unwrap_or_else(|| Err("no connection in time".into()));
        let away = |reason| Error::LogUnavailable { log: name.clone(), reason };
        let (client, context) = connected.map_err(away)?;
        Ok(Self { wire, client, context, stream: url.name.clone(), name })
    }

    /// Bytes of a message, with its headers, at most.
    pub(super) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    fn run<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        self.wire.run(until, work).unwrap_or_else(|| Err(self.away("no answer in time")))
    }

    /// What errors of the server are.
    fn failed(&self) -> impl Fn(String) -> Error + Send + 'static + use<> {
        let log = self.name.clone();
        move |reason| Error::LogUnavailable { log: log.clone(), reason }
    }

    pub(super) fn away(&self, reason: &str) -> Error {
        self.failed()(reason.to_owned())
    }

    pub(super) fn refused(&self, reason: &str, advice: &str) -> Error {
        Error::LogRefused { log: self.name.clone(), reason: reason.to_owned(), advice: advice.to_owned() }
    }

    pub(super) fn damaged(&self, what: String) -> Error {
        self.refused(
            &format!("is damaged: {what}"),
            "somebody has changed its stream: put it back from a backup, or name another stream for a new log",
        )
    }

    pub(super) fn foreign(&self, message: u64) -> Error {
        self.refused(
            &format!("is damaged, or of another program: message {message} is no batch of records"),
            "name another stream, which nothing else uses, or put this one back from a backup",
        )
    }

    pub(super) fn lost(&self, last: u64) -> Error {
        self.refused(
            &format!("has lost records: message {last} was confirmed, and is the last no more"),
            "the server was started without its files, or they were changed: put them back, then start again",
        )
    }

    pub(super) fn taken(&self) -> Error {
        Error::LogTaken { log: self.name.clone(), taken_over: true }
    }

    fn subject(&self) -> String {
        format!("{SUBJECT}{}", self.stream)
    }

    /// The stream as it is now; none where it is not there.
    fn stream(&self, until: Instant) -> Result<Option<Stream<Info>>, Error> {
        let (context, stream, failed) = (self.context.clone(), self.stream.clone(), self.failed());
        self.run(until, async move {
            match context.get_stream(&stream).await {
                Ok(stream) => Ok(Some(stream)),
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(error)
                        if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Ok(None)
                    }
                    _ => Err(failed(error.to_string())),
                },
            }
        })
    }

    fn present(&self, until: Instant) -> Result<Stream<Info>, Error> {
        self.stream(until)?.ok_or_else(|| self.away("its stream is not there"))
    }

    pub(super) fn is_there(&self, until: Instant) -> Result<bool, Error> {
        Ok(self.stream(until)?.is_some())
    }

    /// Makes the stream where it is not there.
    pub(super) fn make(&self, until: Instant) -> Result<(), Error> {
        if self.is_there(until)? {
            return Ok(());
        }
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![self.subject()],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: 1,
            ..Default::default()
        };
        let (context, failed) = (self.context.clone(), self.failed());
        self.run(until, async move {
            context.create_stream(config).await.map(drop).map_err(|error| failed(error.to_string()))
        })
    }

    /// Whether the stream keeps what it confirms.
    pub(super) fn check(&self, until: Instant) -> Result<(), Error> {
        let config = self.present(until)?.cached_info().config.clone();
        if config.subjects != [self.subject()] {
            return Err(self.refused(
                &format!(
                    "is of another program: its stream takes {}, not {}",
                    config.subjects.join(", "),
                    self.subject()
                ),
                "name another stream, which nothing else uses",
            ));
        }
        let is_without = |limit: i64| limit <= 0;
        let wrong = if config.storage != StorageType::File {
            "it is in memory"
        } else if config.retention != RetentionPolicy::Limits {
            "messages that were read are removed"
        } else if config.max_age != Duration::ZERO
            || !is_without(config.max_messages)
            || !is_without(config.max_bytes)
            || !is_without(config.max_messages_per_subject)
        {
            "its limits remove messages"
        } else if config.no_ack {
            "it confirms nothing"
        } else if config.persist_mode == Some(PersistenceMode::Async) {
            "it confirms what is not written"
        } else {
            return Ok(());
        };
        Err(self.refused(
            &format!("would not be durable: of its stream, {wrong}"),
            "make the stream with file storage and without limits, or let semrank make it",
        ))
    }

    /// Numbers of the messages that the stream keeps.
    pub(super) fn messages(&self, until: Instant) -> Result<Range<u64>, Error> {
        let stream = self.present(until)?;
        let state = &stream.cached_info().state;
        let end = state.last_sequence + 1;
        Ok(if state.messages == 0 { end..end } else { state.first_sequence..end })
    }

    /// The body of a message; none where there is no such message.
    pub(super) fn message(&self, sequence: u64, until: Instant) -> Result<Option<Vec<u8>>, Error> {
        let (context, stream, failed) = (self.context.clone(), self.stream.clone(), self.failed());
        self.run(until, async move {
            let stream =
                context.get_stream_no_info(&stream).await.map_err(|error| failed(error.to_string()))?;
            match stream.get_raw_message(sequence).await {
                Ok(message) => Ok(Some(message.payload.to_vec())),
                Err(error) => match error.kind() {
                    RawMessageErrorKind::NoMessageFound => Ok(None),
                    _ => Err(failed(error.to_string())),
                },
            }
        })
    }

    /// Sends a message that has to follow another one.
    pub(super) fn publish(
        &self,
        body: &[u8],
        (follows, id): (u64, String),
        until: Instant,
    ) -> Result<Published, Error> {
        let message = PublishMessage::build()
            .payload(body.to_vec().into())
            .message_id(id)
            .expected_stream(&self.stream)
            .expected_last_sequence(follows);
        let (context, subject, failed) = (self.context.clone(), self.subject(), self.failed());
        self.run(until, async move {
            let published = match context.send_publish(subject, message).await {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            match published {
                Ok(ack) => Ok(Published::At(ack.sequence)),
                Err(error) => match error.kind() {
                    kind @ PublishErrorKind::WrongLastSequence => Ok(Published::Refused(kind)),
                    _ => Err(failed(error.to_string())),
                },
            }
        })
    }

    /// Gives the messages of a range in their order until `visit` breaks; each has to come within a time.
    pub(super) fn read(&self, range: Range<u64>, wait: Duration, visit: EachMessage) -> Result<(), Error> {
        let stream = self.present(Instant::now() + wait)?;
        let (tell, mut told) = mpsc::channel::<Result<(u64, Vec<u8>), Error>>(READ_MESSAGES);
        let (config, failed) = (
            OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: range.start },
                max_batch: READ_MESSAGES as i64,
                ..Default::default()
            },
            self.failed(),
        );
        let Some(handle) = self.wire.handle() else { return Err(self.away("it is being closed")) };
        handle.spawn(async move {
            let send = |error: String| tell.send(Err(failed(error)));
            let consumer = match stream.create_consumer(config).await {
                Ok(consumer) => consumer.messages().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let mut messages = match consumer {
                Ok(messages) => messages,
                Err(error) => {
                    // Nobody may wait for it any more.
                    let _ = send(error).await;
                    return;
                }
            };
            loop {
                let message = tokio::select! {
                    () = tell.closed() => return, // nobody reads on
                    message = messages.next() => message,
                };
                let Some(message) = message else { return };
                let read = message.map_err(|error| error.to_string());
                let read = read.and_then(|message| {
                    let sequence = message.info().map_err(|error| error.to_string())?.stream_sequence;
                    Ok((sequence, message.payload.to_vec()))
                });
                let is_told = match read {
                    Ok(message) => tell.send(Ok(message)).await.is_ok(),
                    Err(error) => send(error).await.is_ok(),
                };
                if !is_told {
                    return; // nobody reads on
                }
            }
        });
        let mut next = range.start;
        while next < range.end {
            let receive = async move {
                let mut some = Vec::new();
                told.recv_many(&mut some, READ_MESSAGES).await;
                (told, some)
            };
            let received = self.wire.run(Instant::now() + wait, receive);
            let (rest, some) = received.ok_or_else(|| self.away("no message in time"))?;
            told = rest;
            if some.is_empty() {
                return Err(self.away("the reading ended early"));
            }
            for message in some {
                let (sequence, body) = message?;
                if visit(sequence, &body)?.is_break() {
                    return Ok(());
                }
                next = sequence + 1;
            }
        }
        Ok(())
    }

    /// Removes the messages before one.
    pub(super) fn remove_before(&self, message: u64, until: Instant) -> Result<(), Error> {
        let (stream, failed) = (self.present(until)?, self.failed());
        self.run(until, async move {
            stream.purge().sequence(message).await.map(drop).map_err(|error| failed(error.to_string()))
        })
    }
}
