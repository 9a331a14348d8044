#include "metrics/registry.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "metrics/prometheus_text.h"

namespace baton::metrics {

// One series. Exactly one of the four values is set.
struct Registry::Cell {
  std::string label_text;  // inside of the braces, escaped
  std::shared_ptr<Counter> counter;
  std::shared_ptr<Gauge> gauge;
  std::shared_ptr<Histogram> histogram;
  std::function<double()> read;
  bool referenced = false;  // given out by reference: must outlive its removal
};

struct Registry::Family {
  std::string help;
  Type type = Type::kGauge;
  std::vector<std::string> label_names;
  std::vector<double> bounds;
  std::map<Labels, std::shared_ptr<Cell>> cells;
};

Registry::Registry() = default;
Registry::~Registry() = default;

Registry::Family& Registry::GetFamily(std::string_view name, std::string_view help, Type type,
                                      const Labels& labels) {
  auto at = families_.find(name);
  if (at == families_.end()) {
    auto family = std::make_unique<Family>();
    family->help = std::string(help);
    family->type = type;
    for (const auto& label : labels) family->label_names.push_back(label.first);
    at = families_.emplace(std::string(name), std::move(family)).first;
  }
  Family& family = *at->second;
  BATON_CHECK(family.type == type);
  BATON_CHECK(std::equal(labels.begin(), labels.end(), family.label_names.begin(),
                         family.label_names.end(),
                         [](const auto& label, const auto& key) { return label.first == key; }));
  return family;
}

Registry::Cell& Registry::GetCell(Family& family, const Labels& labels) {
  std::shared_ptr<Cell>& cell = family.cells[labels];
  if (cell == nullptr) {
    cell = std::make_shared<Cell>();
    cell->label_text = LabelText(labels);
  }
  return *cell;
}

Registry::Cell& Registry::CounterCell(std::string_view family, std::string_view help,
                                      const Labels& labels) {
  Cell& cell = GetCell(GetFamily(family, help, Type::kCounter, labels), labels);
  BATON_CHECK(!cell.read);
  if (cell.counter == nullptr) cell.counter = std::make_shared<Counter>();
  return cell;
}

Registry::Cell& Registry::GaugeCell(std::string_view family, std::string_view help,
                                    const Labels& labels) {
  Cell& cell = GetCell(GetFamily(family, help, Type::kGauge, labels), labels);
  BATON_CHECK(!cell.read);  // a callback already says what this series is
  if (cell.gauge == nullptr) cell.gauge = std::make_shared<Gauge>();
  return cell;
}

Registry::Cell& Registry::HistogramCell(std::string_view name, std::string_view help,
                                        const Labels& labels, const std::vector<double>& bounds) {
  Family& family = GetFamily(name, help, Type::kHistogram, labels);
  if (family.cells.empty() && family.bounds.empty()) family.bounds = bounds;
  Cell& cell = GetCell(family, labels);
  if (cell.histogram == nullptr) cell.histogram = std::make_shared<Histogram>(family.bounds);
  return cell;
}

Counter& Registry::GetCounter(std::string_view family, std::string_view help,
                              const Labels& labels) {
  base::MutexLock lock(mutex_);
  Cell& cell = CounterCell(family, help, labels);
  cell.referenced = true;
  return *cell.counter;
}

Gauge& Registry::GetGauge(std::string_view family, std::string_view help, const Labels& labels) {
  base::MutexLock lock(mutex_);
  Cell& cell = GaugeCell(family, help, labels);
  cell.referenced = true;
  return *cell.gauge;
}

Histogram& Registry::GetHistogram(std::string_view family, std::string_view help,
                                  const Labels& labels, const std::vector<double>& bounds) {
  base::MutexLock lock(mutex_);
  Cell& cell = HistogramCell(family, help, labels, bounds);
  cell.referenced = true;
  return *cell.histogram;
}

std::shared_ptr<Counter> Registry::ShareCounter(std::string_view family, std::string_view help,
                                                const Labels& labels) {
  base::MutexLock lock(mutex_);
  return CounterCell(family, help, labels).counter;
}

std::shared_ptr<Gauge> Registry::ShareGauge(std::string_view family, std::string_view help,
                                            const Labels& labels) {
  base::MutexLock lock(mutex_);
  return GaugeCell(family, help, labels).gauge;
}

std::shared_ptr<Histogram> Registry::ShareHistogram(std::string_view family, std::string_view help,
                                                    const Labels& labels,
                                                    const std::vector<double>& bounds) {
  base::MutexLock lock(mutex_);
  return HistogramCell(family, help, labels, bounds).histogram;
}

void Registry::AddCallback(std::string_view family, std::string_view help, const Labels& labels,
                           std::function<double()> read, CallbackType type) {
  base::MutexLock lock(mutex_);
  const Type kind = type == CallbackType::kCounter ? Type::kCounter : Type::kGauge;
  Cell& cell = GetCell(GetFamily(family, help, kind, labels), labels);
  BATON_CHECK(cell.counter == nullptr && cell.gauge == nullptr);
  cell.read = std::move(read);
}

void Registry::Remove(std::string_view family, const Labels& labels) {
  base::MutexLock lock(mutex_);
  const auto at = families_.find(family);
  if (at == families_.end()) return;
  const auto cell = at->second->cells.find(labels);
  if (cell == at->second->cells.end()) return;
  if (cell->second->referenced) retired_.push_back(std::move(cell->second));
  at->second->cells.erase(cell);
}

std::string Registry::PrometheusText() const {
  // Values are copied under the lock, callbacks only collected: they are foreign code and run after
  // it.
  struct Series {
    std::string label_text;
    double value = 0;
    std::function<double()> read;
    std::shared_ptr<Histogram> histogram;
  };
  struct Copy {
    std::string name, help;
    Type type;
    std::vector<Series> series;
  };
  std::vector<Copy> families;
  {
    base::MutexLock lock(mutex_);
    families.reserve(families_.size());
    for (const auto& [name, family] : families_) {
      if (family->cells.empty()) continue;
      Copy copy{name, family->help, family->type, {}};
      copy.series.reserve(family->cells.size());
      for (const auto& [labels, cell] : family->cells) {
        double value = 0;
        if (cell->counter != nullptr) value = static_cast<double>(cell->counter->Value());
        if (cell->gauge != nullptr) value = cell->gauge->Value();
        copy.series.push_back({cell->label_text, value, cell->read, cell->histogram});
      }
      families.push_back(std::move(copy));
    }
  }
  std::string out;
  for (const Copy& family : families) {
    const std::string_view type = family.type == Type::kCounter ? "counter"
                                  : family.type == Type::kGauge ? "gauge"
                                                                : "histogram";
    AppendHead(family.name, family.help, type, out);
    for (const Series& series : family.series) {
      if (series.histogram != nullptr) {
        AppendHistogram(family.name, series.label_text, series.histogram->Read(), out);
      } else {
        AppendSample(family.name, series.label_text, series.read ? series.read() : series.value,
                     out);
      }
    }
  }
  return out;
}

}  // namespace baton::metrics
