//! Filters: who may come in, asked before the 101.
//!
//! Here: the trait and [`Quota`]. Origins are judged by the handshake (`Route::origin`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::{Future, ready};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::opening::{Opening, Refusal};

/// Asked before an upgrade is accepted: authentication, quotas, whatever a request must fulfil.
///
/// Filters of the servlet come first, then those of the route, each in the order they were added; the first refusal
/// is the answer. What a filter learns it leaves in the [attributes](Opening::attributes_mut).
///
/// A closure is a filter, too; one that has to wait is written as an implementation:
///
/// ```
/// use ws_servlet::{Filter, Opening, Refusal};
///
/// struct KnownUsers;
///
/// impl Filter for KnownUsers {
///     async fn check(&self, opening: &mut Opening<'_>) -> Result<(), Refusal> {
///         match opening.bearer_token() {
///             Some("secret") => Ok(()), // ask a database, say
///             Some(_) => Err(Refusal::forbidden()),
///             None => Err(Refusal::unauthorized("Bearer")),
///         }
///     }
/// }
/// ```
pub trait Filter: Send + Sync + 'static {
    /// Lets the request pass, or refuses it with an HTTP response.
    ///
    /// Cancel safety: the future is dropped if the server's upgrade timeout (15 s from accept) passes, or if the server
    /// stops; the client gets 503 then.
    ///
    /// # Errors
    /// The refusal.
    fn check(&self, opening: &mut Opening<'_>) -> impl Future<Output = Result<(), Refusal>> + Send;
}

impl<F> Filter for F
where
    F: Fn(&mut Opening<'_>) -> Result<(), Refusal> + Send + Sync + 'static,
{
    fn check(&self, opening: &mut Opening<'_>) -> impl Future<Output = Result<(), Refusal>> + Send {
        ready(self(opening))
    }
}

/// The future of one check.
pub(crate) type Check<'a> = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send + 'a>>;

/// [`Filter`] without generics; one allocation per handshake.
pub(crate) trait AnyFilter: Send + Sync {
    fn check<'a>(&'a self, opening: &'a mut Opening<'_>) -> Check<'a>;
}

impl<F: Filter> AnyFilter for F {
    fn check<'a>(&'a self, opening: &'a mut Opening<'_>) -> Check<'a> {
        Box::pin(Filter::check(self, opening))
    }
}

/// A limit on sessions, in all or per peer address. Who comes too late gets 503 with `Retry-After`.
///
/// One value may serve several routes (it is cheap to clone, clones count together).
#[derive(Clone)]
pub struct Quota {
    rule: Rule,
    refused: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Rule {
    All(Arc<Semaphore>),
    PerAddress { limit: usize, open: Arc<Addresses> },
}

#[derive(Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

/// One session's part of its address's quota.
struct Share {
    address: IpAddr,
    open: Arc<Addresses>,
}

impl Quota {
    /// At most this many sessions at a time.
    pub fn sessions(limit: usize) -> Self {
        let permits = Semaphore::new(limit.min(Semaphore::MAX_PERMITS));
        Self::of(Rule::All(Arc::new(permits)))
    }

    /// At most this many sessions at a time from one peer address: an IPv4 address, or a /64 of IPv6, which is what
    /// one subscriber gets. Peers without address are not counted. Behind a proxy all peers share its address.
    pub fn per_address(limit: usize) -> Self {
        Self::of(Rule::PerAddress {
            limit,
            open: Arc::default(),
        })
    }

    /// How many requests it has refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn of(rule: Rule) -> Self {
        Self {
            rule,
            refused: Arc::default(),
        }
    }

    fn refuse(&self, why: &'static str) -> Result<(), Refusal> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Refusal::unavailable(why))
    }
}

impl Filter for Quota {
    async fn check(&self, opening: &mut Opening<'_>) -> Result<(), Refusal> {
        match &self.rule {
            Rule::All(permits) => match Arc::clone(permits).try_acquire_owned() {
                Ok(permit) => opening.keep(permit),
                Err(_) => return self.refuse("There are too many sessions."),
            },
            Rule::PerAddress { limit, open } => {
                let Some(peer) = opening.remote_addr() else {
                    return Ok(());
                };
                match open.take(subscriber(peer.ip()), *limit) {
                    Some(share) => opening.keep(share),
                    None => return self.refuse("There are too many sessions from this address."),
                }
            }
        }
        Ok(())
    }
}

impl Addresses {
    fn take(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<Share> {
        let mut table = self.table();
        let count = table.get(&address).copied().unwrap_or(0);
        if count >= limit {
            return None;
        }
        table.insert(address, count + 1);
        Some(Share {
            address,
            open: Arc::clone(self),
        })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.open.table().entry(self.address) {
            if *entry.get() > 1 {
                *entry.get_mut() -= 1;
            } else {
                entry.remove();
            }
        }
    }
}

/// What stands for one subscriber.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Rule::All(permits) => out
                .debug_struct("Quota")
                .field("free", &permits.available_permits())
                .finish(),
            Rule::PerAddress { limit, .. } => out.debug_struct("Quota").field("per_address", limit).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Extensions, Request, StatusCode};
    use ws_handler::{PeerInfo, RequestHead};

    use super::*;
    use crate::pattern::PathPattern;

    async fn enter(quota: &Quota, address: &str) -> Result<Extensions, StatusCode> {
        let head = RequestHead::from_request(Request::get("/").body(()).unwrap());
        let peer = PeerInfo::new(address.parse().ok(), None);
        let pattern = PathPattern::parse("/").unwrap();
        let mut opening = Opening::new(&head, &peer, &pattern);
        Filter::check(quota, &mut opening)
            .await
            .map_err(|refusal| refusal.status())?;
        Ok(opening.into_attributes())
    }

    #[tokio::test]
    async fn a_quota_counts_what_is_open() {
        let quota = Quota::sessions(2);
        let (one, _two) = (enter(&quota, "").await.unwrap(), enter(&quota, "").await.unwrap());
        assert_eq!(
            enter(&quota, "").await.unwrap_err(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(quota.refused(), 1);
        drop(one);
        assert!(enter(&quota, "").await.is_ok());
    }

    #[tokio::test]
    async fn addresses_are_counted_apart_and_forgotten() {
        let quota = Quota::per_address(1);
        let one = enter(&quota, "1.2.3.4:1").await.unwrap();
        assert!(enter(&quota, "1.2.3.4:2").await.is_err());
        assert!(
            enter(&quota, "[::ffff:1.2.3.4]:2").await.is_err(),
            "the same address, mapped"
        );
        assert!(enter(&quota, "1.2.3.5:2").await.is_ok());
        let _six = enter(&quota, "[2001:db8::1]:1").await.unwrap();
        assert!(enter(&quota, "[2001:db8::2]:1").await.is_err(), "the same /64");
        assert!(enter(&quota, "[2001:db8:0:1::1]:1").await.is_ok());
        drop(one);
        assert!(enter(&quota, "1.2.3.4:1").await.is_ok());
        assert_eq!(quota.refused(), 3);
        let Rule::PerAddress { open, .. } = &quota.rule else {
            unreachable!()
        };
        assert_eq!(open.table().len(), 1);
    }
}
