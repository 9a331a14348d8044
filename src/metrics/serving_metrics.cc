#include "metrics/serving_metrics.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "base/mutex.h"
#include "base/strings.h"
#include "metrics/prometheus_text.h"

namespace baton::metrics {
namespace {

enum class Kind { kCounter, kHistogram, kGauge };

struct Declaration {
  std::string_view name;  // behind "/tensorflow/serving/"
  Kind kind;
  std::vector<std::string_view> labels;
  std::vector<double> bounds = {};
};

enum FamilyIndex {
  kQueuing,
  kInputBatch,
  kPadding,
  kProcessedBatch,
  kWrappedRuns,
  kMlmdMap,
  kWarmupLatency,
  kWarmupRecords,
  kRequestCount,
  kExampleTotal,
  kExampleCounts,
  kRequestLatency,
  kRequestLogs,
  kRuntimeLatency,
};

// a * g^i for i = 0 ... n - 1.
std::vector<double> Scale(double a, double g, int n) {
  std::vector<double> bounds;
  for (int i = 0; i < n; ++i, a *= g) bounds.push_back(a);
  return bounds;
}

// In the order of FamilyIndex.
std::vector<Declaration> Declarations() {
  const std::vector<double> latency = Scale(10, 1.8, 33);
  const std::vector<double> rows = Scale(1, 2, 14);
  return {
      {"batching_session/queuing_latency",
       Kind::kHistogram,
       {"thread_pool_name"},
       Scale(100, 1.2, 52)},
      {"batching_session/input_batch_size", Kind::kHistogram, {}, rows},
      {"batching_session/padding_size", Kind::kHistogram, {"execution_batch_size"}, rows},
      {"batching_session/processed_batch_size", Kind::kHistogram, {}, rows},
      {"batching_session/wrapped_run_count", Kind::kCounter, {}},
      {"mlmd_map", Kind::kGauge, {"model_name", "version"}},
      {"model_warmup_latency", Kind::kHistogram, {"model_path", "status"}, latency},
      {"model_warmup_records_read", Kind::kCounter, {"model_path", "status"}},
      {"request_count", Kind::kCounter, {"model_name", "status"}},
      {"request_example_count_total", Kind::kCounter, {"model"}},
      {"request_example_counts", Kind::kHistogram, {"model"}, Scale(1, 2, 15)},
      {"request_latency", Kind::kHistogram, {"model_name", "API", "entrypoint"}, latency},
      {"request_log_count", Kind::kCounter, {"model_name", "status_code"}},
      {"runtime_latency", Kind::kHistogram, {"model_name", "API", "runtime"}, latency},
  };
}

// There a sample that equals a bound counts in the next bucket; in a Histogram it does not.
std::vector<double> Exclusive(std::vector<double> bounds) {
  for (double& bound : bounds) {
    bound = std::nextafter(bound, -std::numeric_limits<double>::infinity());
  }
  return bounds;
}

// "/tensorflow/serving/x" as a scraper sees it.
std::string PrintedName(std::string_view name) {
  std::string out = ":tensorflow:serving:";
  for (const char c : name) out += c == '/' ? ':' : c;
  return out;
}

void AppendValue(double value, std::string& out) {
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    base::StrAppend(&out, static_cast<int64_t>(value));
  } else {
    absl::StrAppendFormat(&out, "%.17g", value);
  }
}

void AppendBuckets(const std::string& name, const std::string& labels,
                   const std::vector<double>& bounds, const Histogram::Snapshot& histogram,
                   std::string& out) {
  const std::string_view comma = labels.empty() ? "" : ",";
  int64_t cumulative = 0;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    cumulative += histogram.counts[i];
    base::StrAppend(&out, name, "_bucket{", labels, comma, "le=\"");
    if (i < bounds.size()) {
      absl::StrAppendFormat(&out, "%g", bounds[i]);
    } else {
      out += "+Inf";
    }
    base::StrAppend(&out, "\"} ", cumulative, "\n");
  }
  base::StrAppend(&out, name, "_sum{", labels, "} ");
  AppendValue(histogram.sum, out);
  base::StrAppend(&out, "\n", name, "_count{", labels, "} ", histogram.count, "\n");
}

// Families of a page by name. There '/' sorts where ':' is printed.
using Chapters = std::map<std::string, std::string>;

void AddChapter(std::string_view name, std::string text, Chapters& chapters) {
  std::string key(name);
  for (char& c : key) c = c == ':' ? '/' : c;
  chapters.emplace(std::move(key), std::move(text));
}

void AddChapters(std::string_view page, Chapters& chapters) {
  constexpr std::string_view kHead = "# TYPE ";
  size_t at = page.find(kHead);
  while (at < page.size()) {
    size_t next = page.find(base::StrCat("\n", kHead), at);
    next = next == std::string_view::npos ? page.size() : next + 1;
    const std::string_view chapter = page.substr(at, next - at);
    const size_t begin = kHead.size();
    const size_t end = std::min(chapter.find(' ', begin), chapter.size());
    AddChapter(chapter.substr(begin, end - begin), std::string(chapter), chapters);
    at = next;
  }
}

}  // namespace

class ServingMetrics::Families {
 public:
  Families() {
    for (Declaration& declaration : Declarations()) {
      Family& family = families_.emplace_back();
      family.declaration = std::move(declaration);
      family.printed_name = PrintedName(family.declaration.name);
    }
  }

  Counter& GetCounter(FamilyIndex index, std::vector<std::string> values,
                      size_t max_cells = kMaxNames) {
    base::MutexLock lock(mutex_);
    Family& family = families_[index];
    Cell& cell = Find(family, std::move(values), max_cells);
    if (cell.counter == nullptr) cell.counter = std::make_unique<Counter>();
    return *cell.counter;
  }
  Histogram& GetHistogram(FamilyIndex index, std::vector<std::string> values) {
    base::MutexLock lock(mutex_);
    Family& family = families_[index];
    Cell& cell = Find(family, std::move(values), kMaxNames);
    if (cell.histogram == nullptr) {
      cell.histogram = std::make_unique<Histogram>(Exclusive(family.declaration.bounds));
    }
    return *cell.histogram;
  }

  void AddTo(Chapters& chapters) const {
    base::MutexLock lock(mutex_);
    for (const Family& family : families_) {
      AddChapter(family.printed_name, Text(family), chapters);
    }
  }

 private:
  struct Cell {
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    Declaration declaration;
    std::string printed_name;
    std::map<std::vector<std::string>, Cell> cells;
  };

  static Cell& Find(Family& family, std::vector<std::string> values, size_t max_cells) {
    const auto at = family.cells.find(values);
    if (at != family.cells.end()) return at->second;
    if (family.cells.size() >= max_cells && !values.empty()) values[0] = "(other)";
    return family.cells[std::move(values)];
  }

  static std::string Text(const Family& family) {
    static constexpr std::string_view kTypes[] = {"counter", "histogram", "gauge"};
    const std::string& name = family.printed_name;
    std::string out =
        base::StrCat("# TYPE ", name, " ", kTypes[static_cast<int>(family.declaration.kind)], "\n");
    for (const auto& [values, cell] : family.cells) {
      std::vector<std::pair<std::string, std::string>> labels;
      for (size_t i = 0; i < values.size(); ++i) {
        labels.emplace_back(family.declaration.labels[i], values[i]);
      }
      const std::string text = LabelText(labels);
      if (cell.counter != nullptr) {
        base::StrAppend(&out, name, "{", text, "} ", cell.counter->Value(), "\n");
      } else {
        AppendBuckets(name, text, family.declaration.bounds, cell.histogram->Read(), out);
      }
    }
    return out;
  }

  mutable base::Mutex mutex_;
  std::vector<Family> families_ ABSL_GUARDED_BY(mutex_);
};

ServingMetrics::ServingMetrics() : families_(std::make_unique<Families>()) {}
ServingMetrics::~ServingMetrics() = default;

Counter& ServingMetrics::RequestCount(std::string_view model, std::string_view status,
                                      bool is_served) {
  return families_->GetCounter(kRequestCount,
                               {std::string(model.substr(0, kMaxNameBytes)), std::string(status)},
                               is_served ? kMaxNames : kMaxNames / 2);
}
Histogram& ServingMetrics::RequestLatency(std::string_view model, std::string_view api,
                                          std::string_view entrypoint) {
  return families_->GetHistogram(kRequestLatency,
                                 {std::string(model), std::string(api), std::string(entrypoint)});
}
Histogram& ServingMetrics::RuntimeLatency(std::string_view model, std::string_view api) {
  return families_->GetHistogram(kRuntimeLatency, {std::string(model), std::string(api), "TF1"});
}

void ServingMetrics::CountExamples(std::string_view model, int64_t examples) {
  families_->GetHistogram(kExampleCounts, {std::string(model)})
      .Observe(static_cast<double>(examples));
  families_->GetCounter(kExampleTotal, {std::string(model)}).Add(examples);
}
void ServingMetrics::CountRequestLog(std::string_view model, std::string_view status) {
  families_->GetCounter(kRequestLogs, {std::string(model), std::string(status)}).Add();
}
void ServingMetrics::CountWarmupRecord(std::string_view path, std::string_view status) {
  families_->GetCounter(kWarmupRecords, {std::string(path), std::string(status)}).Add();
}
void ServingMetrics::ObserveWarmup(std::string_view path, std::string_view status, double micros) {
  families_->GetHistogram(kWarmupLatency, {std::string(path), std::string(status)}).Observe(micros);
}

void ServingMetrics::ObserveQueuing(std::string_view thread_pool_name, double micros) {
  families_->GetHistogram(kQueuing, {std::string(thread_pool_name)}).Observe(micros);
}
void ServingMetrics::CountBatch() { families_->GetCounter(kWrappedRuns, {}).Add(); }
void ServingMetrics::ObservePadding(int64_t execution_batch_size, int64_t rows) {
  families_->GetHistogram(kPadding, {base::StrCat(execution_batch_size)})
      .Observe(static_cast<double>(rows));
}
void ServingMetrics::ObserveInputBatch(int64_t rows) {
  families_->GetHistogram(kInputBatch, {}).Observe(static_cast<double>(rows));
}
void ServingMetrics::ObserveProcessedBatch(int64_t rows) {
  families_->GetHistogram(kProcessedBatch, {}).Observe(static_cast<double>(rows));
}

int64_t FirstCell(std::string_view page, std::string_view raw_name) {
  std::string start = "\n";
  for (const char c : raw_name) {
    start += absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ? c : ':';
  }
  start += '{';
  const size_t at = page.find(start);
  if (at == std::string_view::npos) return 0;
  const size_t line_end = std::min(page.find('\n', at + 1), page.size());
  const std::string_view line = page.substr(at, line_end - at);
  const size_t space = line.rfind(' ');
  int64_t value = 0;
  std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
  return value;
}

std::string ServingMetrics::Text(std::string_view engine_page) const {
  Chapters chapters;
  families_->AddTo(chapters);
  AddChapters(engine_page, chapters);
  std::string out;
  for (const auto& [name, text] : chapters) out += text;
  return out;
}

}  // namespace baton::metrics
