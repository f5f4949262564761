// Package telemetry builds the loggers and the metrics that every function has.
package telemetry

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger returns a JSON logger at level ("debug", "info", "warn", "error") that writes to w. Times are RFC 3339
// with nanoseconds; the keys are those of Knative's own components, so that one log pipeline reads both.
func NewLogger(w io.Writer, level string) (*zap.Logger, error) {
	parsed, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("LOG_LEVEL: %w", err)
	}
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "timestamp", LevelKey: "severity", NameKey: "logger", MessageKey: "message",
		StacktraceKey: "stacktrace", CallerKey: zapcore.OmitKey,
		EncodeTime: zapcore.RFC3339NanoTimeEncoder, EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.SecondsDurationEncoder,
	})
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), parsed)), nil
}
