//! One case against one connection, and the verdict on what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::case::{Act, Case, Expected, frames};
use super::deflate::{AGREED, OFFER, understood};
use super::inbox::{Inbox, Said};
use super::target::Target;
use crate::peer::RawFrame;

/// What the catalogue says about a server's behaviour in one case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As the catalogue has it.
    Passed,
    /// Refused or ended, but not as the catalogue has it: another code, another status, or none.
    Lax(String),
    /// Taken, not answered, or the server is no longer well.
    Failed(String),
    /// Does not apply to this server, which does not speak of what the case is about.
    Skipped(String),
}

/// Why a case did not pass.
type Judgement = Result<(), Verdict>;

fn failed(why: impl Into<String>) -> Judgement {
    Err(Verdict::Failed(why.into()))
}

fn lax(why: impl Into<String>) -> Judgement {
    Err(Verdict::Lax(why.into()))
}

/// However much a server is willing to take: a case is over after this long, and its patience.
const LONGEST: Duration = Duration::from_secs(60);

/// Of what is sent many times, so many are built and sent in one piece.
const AT_ONCE: usize = 1_000;

/// Plays a case over a fresh connection.
pub(super) async fn play<IO>(io: IO, case: &Case, target: &Target) -> Verdict
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let patience = case.slow.unwrap_or(target.options.timeout);
    match tokio::time::timeout(patience + LONGEST, judged(io, case, target, patience)).await {
        Ok(judgement) => judgement.err().unwrap_or(Verdict::Passed),
        Err(_) => Verdict::Failed("not refused within a minute".to_owned()),
    }
}

/// A good client: a message comes back, and the closing handshake works.
pub(super) async fn converse<IO>(io: IO, target: &Target) -> Result<(), String>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let hello = RawFrame::text("Hello");
    let echo = Expected::Echoes(vec![(1, "Hello".into())]);
    let case = Case::after("", "a good client", vec![frames([hello])], echo);
    match play(io, &case, target).await {
        Verdict::Passed => Ok(()),
        Verdict::Lax(why) | Verdict::Failed(why) | Verdict::Skipped(why) => Err(why),
    }
}

async fn judged<IO>(io: IO, case: &Case, target: &Target, patience: Duration) -> Judgement
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let written = AtomicU64::new(0);
    let (reader, mut writer) = tokio::io::split(io);
    let mut inbox = Inbox::new(reader, patience, &written);
    let (changes, agreement): (&[&str], _) = if case.deflate {
        (&[OFFER], Expected::Compressing)
    } else {
        (&[], Expected::Upgraded)
    };
    let good = [Act::Send(target.request(changes).into())];
    let opening = case.opening.as_deref().unwrap_or(&good);
    let is_refusal = case.opening.is_some() && !matches!(case.expected, Expected::Echoes(_));
    if is_refusal {
        return while_writing(&mut writer, opening, &written, answer(&mut inbox, &case.expected)).await;
    }
    while_writing(&mut writer, opening, &written, answer(&mut inbox, &agreement)).await?;
    if matches!(case.expected, Expected::Lives) {
        // A server that stops reading is right to: the connection is dropped with its answers unread.
        let _stalled = tokio::time::timeout(patience, act(&mut writer, &case.acts, &written)).await;
        return Ok(());
    }
    let conversation = conversation(&mut inbox, &case.expected);
    while_writing(&mut writer, &case.acts, &written, conversation).await?;
    if matches!(case.expected, Expected::Echoes(_) | Expected::Answers(_)) {
        let goodbye = [frames([RawFrame::close(1000, "")])];
        while_writing(&mut writer, &goodbye, &written, closes(&mut inbox, Some(1000))).await?;
    }
    Ok(())
}

/// Judges while writing; what is still unwritten when the verdict is clear stays unwritten.
async fn while_writing<W: AsyncWrite + Unpin>(
    writer: &mut W,
    acts: &[Act],
    written: &AtomicU64,
    judging: impl Future<Output = Judgement>,
) -> Judgement {
    let mut judging = std::pin::pin!(judging);
    tokio::select! {
        biased;
        judgement = &mut judging => return judgement,
        // A server that has closed cannot be written to; what it said first is what counts.
        _unwritten = act(writer, acts, written) => {}
    }
    judging.await
}

async fn act<W: AsyncWrite + Unpin>(
    writer: &mut W,
    acts: &[Act],
    written: &AtomicU64,
) -> std::io::Result<()> {
    for act in acts {
        match act {
            Act::Send(bytes) => put(writer, bytes, bytes.len(), written).await?,
            Act::Chopped(bytes, size) => put(writer, bytes, *size, written).await?,
            Act::Repeat(bytes, count) if bytes.len() == 1 => {
                for _ in 0..*count {
                    put(writer, bytes, 1, written).await?;
                }
            }
            Act::Repeat(bytes, count) => {
                let all = bytes.repeat(AT_ONCE.min(*count));
                for done in (0..*count).step_by(AT_ONCE) {
                    let length = bytes.len() * AT_ONCE.min(count - done);
                    put(writer, all.get(..length).unwrap_or_default(), length, written).await?;
                }
            }
            Act::Pause(time) => {
                written.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(*time).await;
            }
            Act::HalfClose => writer.shutdown().await?,
        }
    }
    Ok(())
}

/// Writes pieces of at most `size` bytes.
async fn put<W: AsyncWrite + Unpin>(
    writer: &mut W,
    bytes: &[u8],
    size: usize,
    written: &AtomicU64,
) -> std::io::Result<()> {
    for piece in bytes.chunks(size.max(1)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let count = writer.write(rest).await?;
            rest = rest.get(count..).unwrap_or_default();
            written.fetch_add(1, Ordering::Relaxed);
        }
        // Let the other side see this piece alone.
        if size < bytes.len() || bytes.len() == 1 {
            tokio::task::yield_now().await;
        }
    }
    writer.flush().await
}

/// Judges the answer to an opening.
async fn answer<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, expected: &Expected) -> Judgement {
    let (status, head) = match inbox.head().await {
        Said::It(found) => found,
        Said::Silence => return failed("nothing happened"),
        Said::End => {
            return match expected {
                Expected::RefusedOrDropped(_) | Expected::NotUpgraded => Ok(()),
                Expected::Upgraded | Expected::Compressing => failed("dropped without an answer"),
                _ => lax("dropped without an answer"),
            };
        }
    };
    match expected {
        Expected::Upgraded => upgraded(status, &head),
        Expected::Compressing => {
            upgraded(status, &head)?;
            compressing(&head)
        }
        Expected::UpgradedOrRefused(_) if status == 101 => Ok(()),
        Expected::UpgradedWithoutOrRefused(name, _) if status == 101 => without(&head, name),
        Expected::NotUpgraded => {
            let (rest, _) = inbox.rest().await;
            let second = rest.windows(13).any(|bytes| bytes == b"HTTP/1.1 101 ");
            if status == 101 || second {
                failed("upgraded")
            } else {
                Ok(())
            }
        }
        Expected::Refused(statuses)
        | Expected::RefusedNaming(statuses, _)
        | Expected::RefusedOrDropped(statuses)
        | Expected::UpgradedOrRefused(statuses)
        | Expected::UpgradedWithoutOrRefused(_, statuses) => {
            if status < 400 {
                return failed(format!("answered with {status}"));
            }
            let (rest, ended) = inbox.rest().await;
            refused(status, statuses, &rest, ended)?;
            named(&head, expected)
        }
        _ => failed("an answer where none was due"),
    }
}

fn upgraded(status: u16, head: &str) -> Judgement {
    let accept = head.lines().any(|line| {
        let (name, value) = line.split_once(':').unwrap_or_default();
        name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    });
    match status {
        101 if accept => Ok(()),
        101 => failed("101 with a wrong Sec-WebSocket-Accept"),
        _ => failed(format!("refused with {status}")),
    }
}

/// Whether the server agreed to what was offered.
fn compressing(head: &str) -> Judgement {
    let head = head.to_ascii_lowercase();
    let agrees = head
        .lines()
        .filter(|line| line.starts_with("sec-websocket-extensions:"))
        .any(|line| AGREED.iter().all(|word| line.contains(word)));
    if agrees {
        return Ok(());
    }
    Err(Verdict::Skipped(
        "the server does not agree to compression without context takeover".to_owned(),
    ))
}

fn refused(status: u16, statuses: &[u16], rest: &[u8], ended: bool) -> Judgement {
    if status < 400 {
        failed(format!("answered with {status}"))
    } else if rest
        .windows(9)
        .any(|bytes| bytes == b"HTTP/1.1 " || bytes == b"HTTP/1.0 ")
    {
        failed(format!("{status}, and then a second answer"))
    } else if !ended {
        lax(format!("{status}, and the connection stays open"))
    } else if statuses.contains(&status) {
        Ok(())
    } else {
        lax(format!("refused with {status}"))
    }
}

/// Whether a refusal says what it has to.
fn named(head: &str, expected: &Expected) -> Judgement {
    let Expected::RefusedNaming(_, line) = expected else {
        return Ok(());
    };
    if head.lines().any(|found| found.eq_ignore_ascii_case(line)) {
        Ok(())
    } else {
        lax(format!("refused without {line:?}"))
    }
}

/// Whether a head has no line of this name.
fn without(head: &str, name: &str) -> Judgement {
    let names = head.lines().filter_map(|line| line.split_once(':'));
    match names
        .into_iter()
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
    {
        Some((_, value)) => failed(format!("answered with {name}:{value}")),
        None => Ok(()),
    }
}

/// Judges what comes after the 101.
async fn conversation<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, expected: &Expected) -> Judgement {
    match expected {
        Expected::Fails(codes) => fails(inbox, codes).await,
        Expected::FailsBehind(messages, codes) => {
            echoes(inbox, messages).await?;
            fails(inbox, codes).await
        }
        Expected::Echoes(messages) => echoes(inbox, messages).await,
        Expected::Answers(answers) => control(inbox, answers).await,
        Expected::Closes(code) => closes(inbox, *code).await,
        Expected::Ends => match inbox.rest().await {
            (_, true) => Ok(()),
            (_, false) => failed("the connection stays open"),
        },
        Expected::EndsOrFails(codes) => ends_or_fails(inbox, codes).await,
        _ => Ok(()),
    }
}

async fn ends_or_fails<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, codes: &[u16]) -> Judgement {
    loop {
        let frame = match inbox.frame().await {
            Said::It(frame) => frame,
            Said::End => return Ok(()),
            Said::Silence => return failed("the connection stays open"),
        };
        // By chance something was right, and has been answered.
        if frame.opcode != 8 {
            continue;
        }
        let (_, ended) = inbox.rest().await;
        return match frame.close_code() {
            _ if !ended => failed("the connection stays open"),
            Some(code) if codes.contains(&code) => Ok(()),
            code => lax(format!("closed with {code:?}")),
        };
    }
}

async fn fails<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, codes: &[u16]) -> Judgement {
    loop {
        let frame = match inbox.frame().await {
            Said::It(frame) => frame,
            Said::End => return lax("dropped without a close frame"),
            Said::Silence => return failed("nothing happened"),
        };
        match frame.opcode {
            _ if frame.mask.is_some() => return failed("a masked frame came back"),
            8 => {
                let code = frame.close_code();
                let (_, ended) = inbox.rest().await;
                return match code {
                    _ if !ended => lax(format!("closed with {code:?}, and the connection stays open")),
                    Some(code) if codes.contains(&code) => Ok(()),
                    Some(code) => lax(format!("closed with {code}")),
                    None => lax("closed without a code"),
                };
            }
            // An echo of frames may have begun with those that were right.
            0..8 if frame.fin => return failed("taken: a message came back"),
            _ => {}
        }
    }
}

async fn echoes<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, messages: &[(u8, Bytes)]) -> Judgement {
    for (opcode, payload) in messages {
        let (mut kind, mut whole) = (0, Vec::new());
        loop {
            let frame = match inbox.frame().await {
                Said::It(frame) => frame,
                Said::End => return failed("dropped instead of an echo"),
                Said::Silence => return failed("no echo"),
            };
            match frame.opcode {
                8 => return failed(format!("closed with {:?} instead of an echo", frame.close_code())),
                0..8 => {
                    kind |= frame.opcode;
                    let fin = frame.fin;
                    whole.push(frame);
                    if fin {
                        break;
                    }
                }
                _ => {}
            }
        }
        match understood(whole) {
            Some(found) if kind == *opcode && found == *payload => {}
            Some(_) => return failed("another message came back"),
            None => return failed("what came back cannot be inflated"),
        }
    }
    Ok(())
}

async fn control<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, answers: &[RawFrame]) -> Judgement {
    for answer in answers {
        match inbox.frame().await {
            Said::It(frame) if frame.means_the_same(answer) => {}
            Said::It(frame) => return failed(format!("{frame} instead of {answer}")),
            Said::End | Said::Silence => return failed(format!("no {answer}")),
        }
    }
    Ok(())
}

async fn closes<R: AsyncRead + Unpin>(inbox: &mut Inbox<'_, R>, code: Option<u16>) -> Judgement {
    loop {
        let frame = match inbox.frame().await {
            Said::It(frame) => frame,
            Said::End => return lax("dropped without a close frame"),
            Said::Silence => return failed("the close frame is not answered"),
        };
        if frame.opcode != 8 {
            continue;
        }
        let found = frame.close_code();
        let (rest, ended) = inbox.rest().await;
        return match found {
            _ if !rest.is_empty() => failed("more came behind the close frame"),
            _ if !ended => lax("the server does not end the connection"),
            _ if found == code => Ok(()),
            _ => lax(format!("closed with {found:?}")),
        };
    }
}
