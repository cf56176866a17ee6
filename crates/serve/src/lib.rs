//! The server: events in, ranked ads and organic items out, and nothing acknowledged is ever lost.
//!
//! ```text
//! semrank serve RUN --state STATE
//! curl -d '{"event_id":"e1","user_id":"u7","item_id":"ad-3","action":"click"}' localhost:7700/v1/events
//! curl -d '{"user":"u7","k":5}' localhost:7700/v1/rank
//! ```
//!
//! An event is appended to the log, synced, and in its user's history before it is acknowledged; whoever gives the acknowledgement's
//! `as_of` with a request gets an answer that sees it. The log is the only thing that must survive: histories are made from it when a
//! server starts, with a snapshot or without, and items that were put in or changed have a journal of their own ([`Catalogue`](semrank_pipeline::retrieval::Catalogue)).
//! Rankings come from the code that the evaluation uses, so what is served is what was measured.
//!
//! | file | does |
//! |---|---|
//! | `event`, `record`, `log` | events; records of the log; the log, read back and rewritten |
//! | `histories`, `memory` | histories in few bytes; histories in numbers that the ranker understands |
//! | `ingest`, `recent` | received events -> durable, seen and acknowledged |
//! | `snapshot`, `recover` | what is derived from the log -> a file; that file and the records after it -> what a start knows |
//! | `ranker`, `replay`, `export`, `trial` | what ranks; a log played again; as a data set; as the rows of a test |
//! | `walk`, `offpolicy` | the log once more, answer by answer; what other policies would have earned |
//! | `clicks`, `feedback` | a click model behind it; what came of what was shown |
//! | `experiments` | randomised tests: arms, and what other arms would have shown |
//! | `explore` | lists of a share of the requests are drawn, with known probabilities |
//! | `service`, `lookups`, `messages` | all of it without HTTP; what clients ask and get |
//! | `reload`, `shadow`, `forgotten` | another run takes over; ranks in the shadow; users whom a start leaves out |
//! | `settings` | how a service is run |
//! | `gate`, `keys`, `metrics`, `problem`, `body` | bounded work; API keys; Prometheus; errors; bodies |
//! | `api` | routes |
//! | `traces` (`no_traces` without the feature `otlp`) | what a ranking spent its time on |
//! | `page` | the page at `/` |
//! | `server`, `tls` | an address, time-outs, stopping; certificates |

mod api;
mod body;
mod clicks;
mod event;
mod experiments;
mod explore;
mod export;
mod feedback;
mod forgotten;
mod gate;
mod histories;
mod ingest;
mod keys;
mod log;
mod lookups;
mod memory;
mod messages;
mod metrics;
mod offpolicy;
mod page;
mod problem;
mod ranker;
mod recent;
mod record;
mod recover;
mod reload;
mod replay;
mod server;
mod service;
mod settings;
mod shadow;
mod snapshot;
#[doc(hidden)]
pub mod testing;
mod tls;
#[cfg_attr(not(feature = "otlp"), path = "no_traces.rs")]
mod traces;
mod trial;
mod walk;

pub use event::Event;
pub use experiments::{Placed, UsedDefinition, used_definitions};
pub use explore::{Explored, InPool};
pub use export::{ExportError, ExportSettings, Exported, export};
pub use gate::Gate;
pub use ingest::Receipt;
pub use keys::{KeysError, Scope, new_key};
pub use log::{Log, LogError};
pub use memory::Named;
pub use messages::{
    Candidates, Explained, Exploring, InTest, Interest, RankRequest, Ranked, Ranking, RetrieveRequest,
};
pub use offpolicy::{OffPolicyError, OffPolicyReport, OffPolicySettings, off_policy};
pub use problem::Problem;
pub use record::{Answer, Record, Shown};
pub use reload::{Reloaded, Runs};
pub use replay::{Replayed, replay};
pub use server::{Listen, ServerError, serve};
pub use service::{MOST_CANDIDATES, Service};
pub use settings::{Clock, OpenError, ServiceSettings};
pub use shadow::ShadowReport;
pub use snapshot::{SnapshotEvery, Written};
pub use tls::Tls;
pub use trial::{TrialRow, trial_rows};
