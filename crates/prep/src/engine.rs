//! DataFusion with bounded memory, called like an ordinary library.
//!
//! In: queries. Out: tables on disk, or batches of rows, one at a time. Sorts and exchanges that need more than the limit go to
//! files in the work folder, so a log may be larger than memory; the small side of a join is held (`pool.rs`). The
//! threads live as long as the engine; no async function is visible outside of this file.

use crate::pool::SortPool;
use crate::sql::Query;
use crate::{Error, PrepSettings};
use arrow::array::{Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

const MIB: usize = 1 << 20;
/// What a sort keeps free for merging what it has spilled; DataFusion's own default is 10 MiB.
const MOST_MERGE_BYTES: usize = 10 * MIB;
/// Rows of a batch for each MiB of a thread: a merge holds a batch of every spilled run, so little memory needs small ones. A GiB
/// on two threads gives DataFusion's own 8,192.
const BATCH_ROWS_PER_MIB: usize = 16;
/// Rows of a batch where there is memory enough.
pub(crate) const MOST_BATCH_ROWS: u64 = 8192;
/// A join whose small side takes at most this holds it once for all threads, and the rows of the large side stay where they are.
/// DataFusion's own default is 1 MiB and 131,072 rows; beyond it both sides are exchanged, and the small one is still held. It stands
/// beside the limit of the sorts, so it is a sixteenth of that at most.
const MOST_SHARED_BYTES: usize = 64 * MIB;
/// Where the bytes are not known, rows count as so many.
const BYTES_OF_SHARED_ROW: usize = 16;
/// Batches that a query may be ahead of whoever takes its rows.
const AHEAD: usize = 2;
/// Longest time between two questions whether to stop.
const STOP_AFTER: Duration = Duration::from_millis(200);

pub(crate) struct Engine<'a> {
    runtime: Runtime,
    context: SessionContext,
    work: PathBuf,
    memory_mb: usize,
    stop: &'a dyn Fn() -> bool,
    spilled_bytes: Cell<usize>,
}

impl Engine<'_> {
    /// An engine whose tables and spilled rows go below `work`; a query ends early when `stop` says so.
    pub(crate) fn new<'a>(
        settings: &PrepSettings,
        work: &Path,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Engine<'a>, Error> {
        let threads = match settings.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build();
        let runtime = runtime.map_err(|source| Error::Io { action: "start threads", source })?;
        let memory = settings.memory_mb * MIB;
        let mut config = SessionConfig::new()
            .with_target_partitions(threads)
            .with_batch_size(
                (settings.memory_mb * BATCH_ROWS_PER_MIB / threads).clamp(512, MOST_BATCH_ROWS as usize),
            )
            .with_sort_spill_reservation_bytes(MOST_MERGE_BYTES.min(memory / 32 / threads));
        let optimizer = &mut config.options_mut().optimizer;
        let shared = MOST_SHARED_BYTES.min(memory / 16);
        optimizer.hash_join_single_partition_threshold = shared;
        optimizer.hash_join_single_partition_threshold_rows = shared / BYTES_OF_SHARED_ROW;
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(SortPool::new(memory)))
            .with_temp_file_path(work)
            // The disk is the limit, not a number.
            .with_max_temp_directory_size(u64::MAX)
            .build_arc()
            .map_err(Error::query("start", settings.memory_mb))?;
        Ok(Engine {
            runtime,
            context: SessionContext::new_with_config_rt(config, environment),
            work: work.to_owned(),
            memory_mb: settings.memory_mb,
            stop,
            spilled_bytes: Cell::new(0),
        })
    }

    /// What sorts have written to disk so far.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.spilled_bytes.get() as u64
    }

    /// Gives a Parquet file a name, with these columns.
    pub(crate) fn file(&self, name: &'static str, path: &Path, columns: Vec<Expr>) -> Result<(), Error> {
        let failed = Error::query(name, self.memory_mb);
        let read = async {
            let file = self.context.read_parquet(text(path), ParquetReadOptions::default()).await?;
            self.context.register_table(name, file.select(columns)?.into_view())
        };
        self.runtime.block_on(read).map_err(failed)?;
        Ok(())
    }

    /// Gives a query a name; it is computed wherever it is used.
    pub(crate) fn view(&self, query: &Query) -> Result<(), Error> {
        let view = self.plan(query)?.into_view();
        self.context.register_table(query.name, view).map_err(Error::query(query.name, self.memory_mb))?;
        Ok(())
    }

    /// Computes a query into a table on disk.
    pub(crate) fn table(&self, query: &Query) -> Result<(), Error> {
        let path = self.work.join(format!("{}.parquet", query.name));
        let failed = |error: parquet::errors::ParquetError| {
            Error::query(query.name, self.memory_mb)(DataFusionError::from(error))
        };
        let file = File::create(&path).map_err(|source| Error::Io { action: "write a table", source })?;
        let frame = self.plan(query)?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let mut writer = ArrowWriter::try_new(file, schema, None).map_err(failed)?;
        self.stream(query, frame, |batch| writer.write(batch).map_err(failed))?;
        writer.close().map_err(failed)?;
        let read = self.context.register_parquet(query.name, text(&path), ParquetReadOptions::default());
        self.runtime.block_on(read).map_err(Error::query(query.name, self.memory_mb))
    }

    /// Hands the rows of a query to `take`, batch by batch in the query's order.
    pub(crate) fn rows(
        &self,
        query: &Query,
        take: impl FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.stream(query, self.plan(query)?, take)
    }

    /// The integers of a query's only row, by column; null where a value is null, nothing where there is no row.
    pub(crate) fn row(&self, query: &Query) -> Result<BTreeMap<String, Option<i64>>, Error> {
        let mut row = BTreeMap::new();
        let failed = Error::query(query.name, self.memory_mb);
        self.rows(query, |batch| {
            for (field, values) in
                batch.schema().fields().iter().zip(batch.columns()).filter(|(_, v)| !v.is_empty())
            {
                let values = cast(values, &DataType::Int64).map_err(|error| failed(error.into()))?;
                let value = values.as_any().downcast_ref::<Int64Array>();
                let value = value.filter(|values| values.is_valid(0)).map(|values| values.value(0));
                row.insert(field.name().clone(), value);
            }
            Ok(())
        })?;
        Ok(row)
    }

    fn plan(&self, query: &Query) -> Result<DataFrame, Error> {
        let frame = self.runtime.block_on(self.context.sql(&query.text));
        frame.map_err(Error::query(query.name, self.memory_mb))
    }

    fn stream(
        &self,
        query: &Query,
        frame: DataFrame,
        mut take: impl FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = Error::query(query.name, self.memory_mb);
        self.runtime.block_on(async {
            let task = Arc::new(frame.task_ctx());
            let plan = frame.create_physical_plan().await.map_err(failed)?;
            // The last step of the query runs on a thread of the engine, beside `take` on this one.
            let mut stream = spawn_buffered(execute_stream(plan.clone(), task).map_err(failed)?, AHEAD);
            while !(self.stop)() {
                match timeout(STOP_AFTER, stream.next()).await {
                    Ok(Some(batch)) => take(&batch.map_err(failed)?)?,
                    Ok(None) => {
                        self.spilled_bytes.update(|bytes| bytes + spilled_bytes(&plan));
                        return Ok(());
                    }
                    // A sort has nothing to give for long: ask again whether to go on.
                    Err(_) => {}
                }
            }
            Err(Error::Stopped)
        })
    }
}

fn spilled_bytes(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0);
    own + plan.children().into_iter().map(spilled_bytes).sum::<usize>()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
