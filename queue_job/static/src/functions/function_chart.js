import {JobChart} from "../dashboard/job_chart";

/** Draw a line at each mark, over the whole height of the chart, with its text on top. */
function drawMarks({ctx, chartArea, scales, options}, marks) {
    const color = options.scales.x.ticks.color;
    ctx.save();
    ctx.strokeStyle = color;
    ctx.fillStyle = color;
    ctx.setLineDash([4, 3]);
    for (const {index, label} of marks) {
        const x = scales.x.getPixelForValue(index);
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
        const isRight = x > (chartArea.left + chartArea.right) / 2;
        ctx.textAlign = isRight ? "right" : "left";
        ctx.fillText(label, x + (isRight ? -4 : 4), chartArea.top + 10);
    }
    ctx.restore();
}

/** A chart of a job function: bars may stand beside each other, versions are marked. */
export class FunctionChart extends JobChart {
    static props = {
        ...JobChart.props,
        /** {index, label}: what happened at a point of the chart */
        marks: {type: Array, element: Object, optional: true},
        beside: {type: Boolean, optional: true},
    };

    get plugins() {
        const draw = (chart) => drawMarks(chart, this.props.marks || []);
        return [{id: "queueJobMarks", afterDatasetsDraw: draw}];
    }

    get options() {
        const options = super.options;
        if (this.props.beside) {
            options.scales.x.stacked = false;
            options.scales.y.stacked = false;
        }
        return {...options, spanGaps: true};
    }
}
