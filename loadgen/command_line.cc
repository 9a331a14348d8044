#include "loadgen/command_line.h"

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "loadgen/predict_body.h"

namespace baton::loadgen {
namespace {

// What the flags say before it is put together.
struct Draft {
  CommandLine result;
  PredictCall call;
  std::optional<std::string> path;
  std::optional<std::string> body_file;
  std::optional<std::string> expected_file;
};

absl::Status Bad(std::string_view what, std::string_view value) {
  return absl::InvalidArgumentError(base::StrCat("\"", value, "\" is not ", what));
}

template <typename T>
absl::Status Number(std::string_view text, int64_t least, int64_t most, T& out) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(base::ToAbsl(text), &value) || value < least || value > most) {
    return Bad(base::StrCat("a whole number from ", least, " to ", most), text);
  }
  out = static_cast<T>(value);
  return absl::OkStatus();
}

absl::Status Seconds(std::string_view text, absl::Duration& out) {
  double value = 0;
  if (!absl::SimpleAtod(base::ToAbsl(text), &value) || value < 0 || value > 1e6) {
    return Bad("a number of seconds", text);
  }
  out = absl::Seconds(value);
  return absl::OkStatus();
}

template <typename T, typename Parse>
absl::Status List(std::string_view text, Parse parse, std::vector<T>& out) {
  out.clear();
  for (const absl::string_view part : absl::StrSplit(base::ToAbsl(text), ',')) {
    T value{};
    if (!parse(part, &value)) {
      return Bad("a list of numbers", text);
    }
    out.push_back(value);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(base::StrCat("cannot read ", path));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

using Flag = std::function<absl::Status(std::string_view, Draft&)>;

absl::Status SetProtocol(std::string_view text, Draft& draft) {
  if (text != "grpc" && text != "rest") {
    return Bad("grpc or rest", text);
  }
  draft.result.load.protocol = text == "grpc" ? Protocol::kGrpc : Protocol::kRest;
  return absl::OkStatus();
}

Flag Text(std::function<void(std::string, Draft&)> set) {
  return [set = std::move(set)](std::string_view text, Draft& draft) {
    set(std::string(text), draft);
    return absl::OkStatus();
  };
}

const std::map<std::string_view, Flag>& Flags() {
  constexpr int64_t kMost = 1'000'000;
  static const std::map<std::string_view, Flag>& flags = *new std::map<std::string_view, Flag>{
      {"protocol", SetProtocol},
      {"host", Text([](std::string t, Draft& d) { d.result.load.host = std::move(t); })},
      {"port",
       [](std::string_view t, Draft& d) { return Number(t, 1, 65535, d.result.load.port); }},
      {"connections",
       [](std::string_view t, Draft& d) { return Number(t, 1, kMost, d.result.load.connections); }},
      {"streams",
       [](std::string_view t, Draft& d) { return Number(t, 1, kMost, d.result.load.streams); }},
      {"threads",
       [](std::string_view t, Draft& d) { return Number(t, 1, 1024, d.result.load.threads); }},
      {"duration",
       [](std::string_view t, Draft& d) { return Seconds(t, d.result.load.duration); }},
      {"warmup", [](std::string_view t, Draft& d) { return Seconds(t, d.result.load.warmup); }},
      {"server-pid",
       [](std::string_view t, Draft& d) {
         return Number(t, 1, std::numeric_limits<int>::max(), d.result.load.server_pid);
       }},
      {"path", Text([](std::string t, Draft& d) { d.path = std::move(t); })},
      {"body", Text([](std::string t, Draft& d) { d.body_file = std::move(t); })},
      {"expect", Text([](std::string t, Draft& d) { d.expected_file = std::move(t); })},
      {"model", Text([](std::string t, Draft& d) { d.call.model = std::move(t); })},
      {"signature", Text([](std::string t, Draft& d) { d.call.signature = std::move(t); })},
      {"input", Text([](std::string t, Draft& d) { d.call.input = std::move(t); })},
      {"version",
       [](std::string_view t, Draft& d) {
         return Number(t, 0, std::numeric_limits<int64_t>::max(), d.call.version.emplace());
       }},
      {"value",
       [](std::string_view t, Draft& d) {
         return List(t, [](auto part, float* out) { return absl::SimpleAtof(part, out); },
                     d.call.values);
       }},
      {"shape",
       [](std::string_view t, Draft& d) {
         return List(
             t,
             [](auto part, int64_t* out) {
               return absl::SimpleAtoi(part, out) && *out >= 0 && *out <= kMost;
             },
             d.call.shape);
       }},
  };
  return flags;
}

absl::StatusOr<CommandLine> Assemble(Draft draft) {
  LoadOptions& load = draft.result.load;
  PredictCall& call = draft.call;
  const bool grpc = load.protocol == Protocol::kGrpc;
  if (!draft.body_file.has_value()) {
    if (call.model.empty() || (grpc && call.input.empty())) {
      return absl::InvalidArgumentError(
          "give --body FILE, or --model NAME with --input NAME and --value (REST needs no "
          "--input)");
    }
    if (call.values.empty()) {
      call.values = {1.0f};
    }
    if (call.shape.empty()) {
      call.shape = {static_cast<int64_t>(call.values.size())};
    }
    double elements = 1;
    for (const int64_t size : call.shape) {
      elements *= static_cast<double>(size);
    }
    if (elements > 1e8) {
      return absl::InvalidArgumentError("the shape has more than 100 million elements");
    }
    load.body = grpc ? PredictRequestBytes(call) : PredictJson(call);
  } else {
    BATON_ASSIGN_OR_RETURN(load.body, ReadFile(*draft.body_file));
  }
  if (draft.path.has_value()) {
    load.path = *draft.path;
  } else if (grpc) {
    load.path = "/tensorflow.serving.PredictionService/Predict";
  } else if (!call.model.empty()) {
    load.path = PredictUrl(call);
  } else {
    return absl::InvalidArgumentError("REST needs --model NAME or --path /v1/models/...");
  }
  if (draft.expected_file.has_value()) {
    BATON_ASSIGN_OR_RETURN(load.expected, ReadFile(*draft.expected_file));
  }
  return std::move(draft.result);
}

}  // namespace

std::string_view Usage() {
  return R"(usage: baton-loadgen --model NAME [flags]
  --protocol grpc|rest   what to speak (grpc)
  --host NAME            where the server is (127.0.0.1)
  --port N               (8500 for grpc, 8501 for rest)
  --connections N        over all threads (8)
  --streams N            requests at once on each gRPC connection (8)
  --threads N            of the load generator (1)
  --duration SECONDS     measured time (10)
  --warmup SECONDS       before it, not counted (1)
  --model NAME           what to ask, with
  --version N            this version (the newest)
  --signature NAME       this signature (the default one)
  --input NAME           this input,
  --value A,B,...        these floats (1.0), repeated to fill
  --shape N,M,...        this shape (the number of values)
  --body FILE            a whole PredictRequest or JSON text instead
  --path PATH            another gRPC method or URL
  --expect FILE          the answer every request must get, byte for byte
  --server-pid PID       whose CPU time to measure
  --json                 one JSON object instead of text
)";
}

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  Draft draft;
  bool has_port = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--json") {
      draft.result.json = true;
      continue;
    }
    if (!argument.starts_with("--")) {
      return Bad("a flag", argument);
    }
    argument.remove_prefix(2);
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const auto flag = Flags().find(name);
    if (flag == Flags().end()) {
      return absl::InvalidArgumentError(base::StrCat("unknown flag --", name));
    }
    if (equals == std::string_view::npos && ++i == arguments.size()) {
      return absl::InvalidArgumentError(base::StrCat("--", name, " needs a value"));
    }
    const std::string_view value = equals == std::string_view::npos ? std::string_view(arguments[i])
                                                                    : argument.substr(equals + 1);
    if (absl::Status set = flag->second(value, draft); !set.ok()) {
      return absl::InvalidArgumentError(base::StrCat("--", name, ": ", base::Message(set)));
    }
    has_port = has_port || name == "port";
  }
  if (!has_port && draft.result.load.protocol == Protocol::kRest) {
    draft.result.load.port = 8501;
  }
  return Assemble(std::move(draft));
}

int RunCommandLine(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--help") {
      std::fputs(std::string(Usage()).c_str(), stdout);
      return 0;
    }
  }
  const absl::StatusOr<CommandLine> parsed = ParseCommandLine(arguments);
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s\n%s", std::string(base::Message(parsed.status())).c_str(),
                 std::string(Usage()).c_str());
    return 2;
  }
  const absl::StatusOr<LoadReport> report = RunLoad(parsed->load);
  if (!report.ok()) {
    std::fprintf(stderr, "%s\n", std::string(base::Message(report.status())).c_str());
    return 1;
  }
  const std::string text =
      parsed->json ? FormatJson(parsed->load, *report) + "\n" : FormatText(parsed->load, *report);
  std::fputs(text.c_str(), stdout);
  return report->good == report->requests && report->good > 0 ? 0 : 1;
}

}  // namespace baton::loadgen
