// Package warmup keeps pods ready for the market's open. Before the open it sets min-scale on the Revisions that serve,
// which makes no new revision, and after the rush it takes that back. A run does what is due at its moment and nothing
// else, so that it may be run at any time, twice, or late.
package warmup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// The annotations that a run reads and writes. Knative's are those of the autoscaler.
const (
	annotationMin = "autoscaling.knative.dev/min-scale"
	annotationMax = "autoscaling.knative.dev/max-scale"
	// annotationFormer marks a Revision as warmed up and holds its own min-scale, "none" if it had none.
	annotationFormer = "warmup.opitios.ai/former-min-scale"
	// annotationPeak holds the most pods that were wanted in the last rush that was seen, and annotationPeakDate its day.
	annotationPeak     = "warmup.opitios.ai/peak"
	annotationPeakDate = "warmup.opitios.ai/peak-date"

	labelService = "serving.knative.dev/service"
	labelRouting = "serving.knative.dev/routingState"
	// noneFormer stands for an annotation that was not there.
	noneFormer = "none"
)

// Revisions is what a run needs of a cluster.
type Revisions interface {
	// List returns the Revisions of the namespace.
	List(ctx context.Context) ([]Revision, error)
	// Annotate merges annotations into a Revision's; nil removes one.
	Annotate(ctx context.Context, name string, annotations map[string]*string) error
}

// Revision is what is read of a Revision.
type Revision struct {
	Metadata struct {
		Name        string            `json:"name"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		// DesiredReplicas is what the autoscaler wants at the moment.
		DesiredReplicas int `json:"desiredReplicas"`
	} `json:"status"`
}

func (r *Revision) service() string { return r.Metadata.Labels[labelService] }
func (r *Revision) serving() bool   { return r.Metadata.Labels[labelRouting] == "active" }
func (r *Revision) warm() bool      { return r.Metadata.Annotations[annotationFormer] != "" }

// number reads an annotation; 0 when it is absent or no number.
func (r *Revision) number(annotation string) int {
	n, err := strconv.Atoi(r.Metadata.Annotations[annotation])
	if err != nil {
		return 0
	}
	return n
}

// Job is one run.
type Job struct {
	Config    Config
	Revisions Revisions
	Clock     clock.Clock
	Logger    *zap.Logger
}

// Run does what is due now. What fails for one Revision is tried for the others all the same.
func (j *Job) Run(ctx context.Context) error {
	scales, err := j.Config.scales()
	if err != nil {
		return err
	}
	calendar, err := market.NewCalendar()
	if err != nil {
		return err
	}
	revisions, err := j.Revisions.List(ctx)
	if err != nil {
		return err
	}
	now := j.Clock.Now()
	day, trading := calendar.DayOf(now)
	rush := trading && !now.Before(day.Open.Add(-j.Config.Lead)) && now.Before(day.Open.Add(j.Config.Rush))
	var failed []error
	for i := range revisions {
		r := &revisions[i]
		least, ours := scales[r.service()]
		if !ours {
			continue
		}
		changes := j.cool(r)
		if rush && r.serving() {
			changes = j.heat(r, max(least, j.peak(revisions, r.service(), day.Date())))
			j.record(r, changes, day.Date(), !now.Before(day.Open))
		}
		if len(changes) == 0 {
			continue
		}
		if err := j.Revisions.Annotate(ctx, r.Metadata.Name, changes); err != nil {
			failed = append(failed, fmt.Errorf("revision %s: %w", r.Metadata.Name, err))
			continue
		}
		j.Logger.Info("revision annotated", zap.String("revision", r.Metadata.Name), zap.Any("annotations", changes))
	}
	return errors.Join(failed...)
}

// heat returns what makes a Revision have at least so many pods, within its own maximum.
func (j *Job) heat(r *Revision, least int) map[string]*string {
	changes := make(map[string]*string)
	if most := r.number(annotationMax); most > 0 {
		least = min(least, most)
	}
	former := r.Metadata.Annotations[annotationFormer]
	if former == "" {
		former = noneFormer
		if own, ok := r.Metadata.Annotations[annotationMin]; ok {
			former = own
		}
		changes[annotationFormer] = &former
	}
	if own, err := strconv.Atoi(former); err == nil {
		least = max(least, own) // what the Revision keeps anyway is not taken from it
	}
	if wanted := strconv.Itoa(least); r.Metadata.Annotations[annotationMin] != wanted {
		changes[annotationMin] = &wanted
	}
	return changes
}

// cool returns what gives a Revision its own min-scale back: nothing if it was not warmed up.
func (j *Job) cool(r *Revision) map[string]*string {
	if !r.warm() {
		return nil
	}
	changes := map[string]*string{annotationFormer: nil, annotationMin: nil}
	if former := r.Metadata.Annotations[annotationFormer]; former != noneFormer {
		changes[annotationMin] = &former
	}
	return changes
}

// record adds the most pods that the autoscaler wanted today since the open to the changes. What it wants because of the
// warm-up itself counts only as far as it is more than that: else the figure could never fall again.
func (j *Job) record(r *Revision, changes map[string]*string, today string, open bool) {
	if !open || r.Status.DesiredReplicas <= r.number(annotationMin) {
		return
	}
	if r.Metadata.Annotations[annotationPeakDate] == today && r.Status.DesiredReplicas <= r.number(annotationPeak) {
		return
	}
	peak := strconv.Itoa(r.Status.DesiredReplicas)
	changes[annotationPeak], changes[annotationPeakDate] = &peak, &today
}

// peak is the most pods that any Revision of the service was seen to want on the last day before today that left a
// figure: a Revision that was rolled out since has no past of its own, and a day for which the warm-up was enough leaves
// none, so that the figure of the day before goes on to count.
func (j *Job) peak(revisions []Revision, service, today string) int {
	if !j.Config.FromPeak {
		return 0
	}
	newest, most := "", 0
	for _, r := range slices.Backward(revisions) {
		date := r.Metadata.Annotations[annotationPeakDate]
		if r.service() != service || date == "" || date >= today || !recent(date, today) {
			continue
		}
		if date > newest {
			newest, most = date, 0
		}
		if date == newest {
			most = max(most, r.number(annotationPeak))
		}
	}
	return most
}

// recent reports whether a date lies within a week of another: the longest that the exchange was ever closed in our
// time. What is older than that says nothing about today.
func recent(date, today string) bool {
	a, errA := time.Parse(time.DateOnly, date)
	b, errB := time.Parse(time.DateOnly, today)
	return errA == nil && errB == nil && b.Sub(a) <= 7*24*time.Hour
}
