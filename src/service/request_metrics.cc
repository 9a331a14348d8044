#include "service/request_metrics.h"

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/strings.h"

namespace baton::service {
namespace {

constexpr std::string_view kCount = "baton_requests_total";
constexpr std::string_view kCountHelp = "Answered requests.";
constexpr std::string_view kDuration = "baton_request_duration_seconds";
constexpr std::string_view kDurationHelp =
    "Time from the arrival of a request's last byte to its answer.";

// So many combinations are kept per thread; far more than one server has, so that only a mistake
// reaches it.
constexpr size_t kMaxCachedCells = 4096;

const std::vector<double>& DurationBounds() {
  static const std::vector<double> bounds = {0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                             0.01,    0.025,  0.05,    0.1,    0.25,  0.5,    1,
                                             2.5,     5,      10,      30,     60};
  return bounds;
}

uint64_t NextEpoch() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// Everything of a sample but its latency. Owned: the key of a cache. Borrowed: what is looked up.
template <typename String>
struct Identity {
  String model;
  int64_t version = 0;
  String signature;
  String method;
  Entrypoint entrypoint = Entrypoint::kGrpc;
  absl::StatusCode code = absl::StatusCode::kOk;
};
using Owned = Identity<std::string>;
using Borrowed = Identity<std::string_view>;

struct IdentityHash {
  using is_transparent = void;
  template <typename String>
  size_t operator()(const Identity<String>& id) const {
    constexpr size_t kMix = 0x9E3779B97F4A7C15u;
    const std::hash<std::string_view> text;
    size_t hash = text(id.model);
    hash = hash * kMix + text(id.signature);
    hash = hash * kMix + text(id.method);
    hash = hash * kMix + static_cast<size_t>(id.version);
    return hash * kMix + static_cast<size_t>(id.code) * 2 + static_cast<size_t>(id.entrypoint);
  }
};

struct IdentityEqual {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const Identity<A>& a, const Identity<B>& b) const {
    return a.version == b.version && a.code == b.code && a.entrypoint == b.entrypoint &&
           a.model == b.model && a.signature == b.signature && a.method == b.method;
  }
};

metrics::Labels LabelsOf(const RequestMetrics::Sample& sample) {
  return {{"model", std::string(sample.model)},
          {"version", sample.model.empty() ? "" : base::StrCat(sample.version)},
          {"signature", std::string(sample.signature)},
          {"method", std::string(sample.method)},
          {"entrypoint", sample.entrypoint == Entrypoint::kGrpc ? "grpc" : "rest"}};
}

// TensorFlow Serving's name of the method, the same for both doors; empty where it has none.
std::string_view ServingApi(std::string_view method) {
  if (method == "Predict" || method == "predict") return "Predict";
  if (method == "Classify" || method == "classify") return "Classify";
  if (method == "Regress" || method == "regress") return "Regress";
  return "";
}

// It counts every REST request, but of gRPC's only the three.
bool IsCountedThere(const RequestMetrics::Sample& sample) {
  return sample.entrypoint == Entrypoint::kRest || !ServingApi(sample.method).empty();
}

}  // namespace

struct RequestMetrics::Cells {
  std::shared_ptr<metrics::Counter> count;
  std::shared_ptr<metrics::Histogram> duration;
  // TensorFlow Serving's; null where it does not count.
  metrics::Counter* serving_count = nullptr;
  metrics::Histogram* serving_latency = nullptr;
  metrics::Histogram* serving_runtime = nullptr;
};

struct RequestMetrics::ThreadCache {
  uint64_t epoch = 0;
  std::unordered_map<Owned, Cells, IdentityHash, IdentityEqual> cells;
};

RequestMetrics::RequestMetrics(metrics::Registry* registry, metrics::ServingMetrics* serving)
    : registry_(registry), serving_(serving), epoch_(NextEpoch()) {}

void RequestMetrics::Record(const Sample& given) {
  Sample sample = given;
  if (sample.model.empty()) {
    sample.version = 0;
    sample.signature = {};
    CountUnserved(sample);
  }
  thread_local ThreadCache cache;
  const uint64_t epoch = epoch_.load(std::memory_order_acquire);
  if (cache.epoch != epoch || cache.cells.size() > kMaxCachedCells) {
    cache.cells.clear();
    cache.epoch = epoch;
  }
  const Borrowed id{sample.model,  sample.version,    sample.signature,
                    sample.method, sample.entrypoint, sample.code};
  auto at = cache.cells.find(id);
  if (at == cache.cells.end()) {
    Owned key{std::string(id.model),  id.version,    std::string(id.signature),
              std::string(id.method), id.entrypoint, id.code};
    at = cache.cells.emplace(std::move(key), FindCells(sample)).first;
  }
  at->second.count->Add();
  at->second.duration->Observe(absl::ToDoubleSeconds(sample.latency));
  const Cells& cells = at->second;
  if (cells.serving_count != nullptr) cells.serving_count->Add();
  if (cells.serving_latency != nullptr) {
    cells.serving_latency->Observe(absl::ToDoubleMicroseconds(sample.latency));
  }
  if (cells.serving_runtime != nullptr && sample.run_latency != absl::InfiniteDuration()) {
    cells.serving_runtime->Observe(absl::ToDoubleMicroseconds(sample.run_latency));
  }
}

// The name is the client's: not for the cache.
void RequestMetrics::CountUnserved(const Sample& sample) {
  if (serving_ == nullptr || !IsCountedThere(sample)) return;
  serving_->RequestCount(sample.requested_model, base::CodeName(sample.code), false).Add();
  if (sample.code != absl::StatusCode::kOk) return;  // OPTIONS is a success without a model
  const bool grpc = sample.entrypoint == Entrypoint::kGrpc;
  serving_->RequestLatency(sample.requested_model, "", grpc ? "GRPC" : "REST")
      .Observe(absl::ToDoubleMicroseconds(sample.latency));
}

RequestMetrics::Cells RequestMetrics::FindCells(const Sample& sample) {
  const metrics::Labels duration_labels = LabelsOf(sample);
  metrics::Labels count_labels = duration_labels;
  count_labels.emplace_back("code", base::CodeName(sample.code));
  // Registered and noted in one step, so that Forget cannot come between.
  base::MutexLock lock(mutex_);
  if (!sample.model.empty()) {
    auto& series = series_[{std::string(sample.model), sample.version}];
    series.emplace(kCount, count_labels);
    series.emplace(kDuration, duration_labels);
  }
  Cells cells = {
      .count = registry_->ShareCounter(kCount, kCountHelp, count_labels),
      .duration =
          registry_->ShareHistogram(kDuration, kDurationHelp, duration_labels, DurationBounds()),
  };
  if (serving_ == nullptr || sample.model.empty() || !IsCountedThere(sample)) return cells;
  const bool grpc = sample.entrypoint == Entrypoint::kGrpc;
  const std::string_view api = ServingApi(sample.method);
  cells.serving_count = &serving_->RequestCount(sample.model, base::CodeName(sample.code));
  if (sample.code == absl::StatusCode::kOk) {
    const std::string_view shown = grpc ? api : api.empty() ? api : sample.method;
    cells.serving_latency = &serving_->RequestLatency(sample.model, shown, grpc ? "GRPC" : "REST");
    if (!api.empty()) cells.serving_runtime = &serving_->RuntimeLatency(sample.model, api);
  }
  return cells;
}

void RequestMetrics::Forget(std::string_view model, int64_t version) {
  base::MutexLock lock(mutex_);
  const auto at = series_.find({std::string(model), version});
  if (at == series_.end()) return;
  for (const auto& [family, labels] : at->second) registry_->Remove(family, labels);
  series_.erase(at);
  epoch_.store(NextEpoch(), std::memory_order_release);
}

}  // namespace baton::service
