"""The live page: one file, no build, no outside address; it draws what ``/live`` says."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ew live</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body{font:15px/1.4 system-ui,sans-serif;margin:0;background:#10151c;color:#dfe6ee}
 header{display:flex;gap:1rem;align-items:baseline;padding:.8rem 1rem;background:#18202a}
 h1{font-size:1.1rem;margin:0} #health.ok{color:#6fdc8c} #health{color:#ffb000}
 main{display:grid;grid-template-columns:2fr 1fr;gap:1rem;padding:1rem}
 canvas{width:100%;background:#0b0f14;border-radius:6px} td,th{padding:.15rem .6rem;text-align:right}
 #picks{font:12px monospace;max-height:60vh;overflow:auto} .mode{background:#ffb000;color:#000;padding:0 .5rem}
</style></head><body>
<header><h1>ew</h1><span id="mode" class="mode"></span><span id="health">connecting</span><span id="clock"></span></header>
<main><section><canvas id="map" width="900" height="640"></canvas>
<table id="events"><thead><tr><th>event</th><th>version</th><th>M</th><th>lat</th><th>lon</th><th>km</th><th>stations</th><th>after P at 4th, s</th><th>sent, ms</th><th>alerts</th><th>received p50 / p99, ms</th></tr>
</thead><tbody></tbody></table></section><section><strong>Picks</strong><div id="picks"></div></section></main>
<script>
const canvas=document.getElementById("map"),pen=canvas.getContext("2d"),places={},hits={};let box=null,quake=null,serviceUs=Date.now()*1000,heardMs=Date.now();
function at(p){return [(p.longitude-box[0])/(box[1]-box[0])*860+20,620-(p.latitude-box[2])/(box[3]-box[2])*600]}
function draw(){if(!box)return;pen.clearRect(0,0,900,640);const now=Date.now();
 for(const id in places){const [x,y]=at(places[id]),hot=now-(hits[id]||0)<20000;pen.fillStyle=hot?"#ffb000":"#3d5166";
  pen.beginPath();pen.arc(x,y,hot?5:2.5,0,7);pen.fill()}
 if(quake){const o=quake.origin,[x,y]=at(o),t=(serviceUs+(now-heardMs)*1000-o.time_us)/1e6,perKm=600/(box[3]-box[2])/111.2;
  for(const [v,c] of [[6.2,"#4aa3ff"],[3.5,"#ff5050"]]){pen.strokeStyle=c;pen.lineWidth=2;pen.beginPath();
   pen.arc(x,y,Math.max(0,v*t)*perKm,0,7);pen.stroke()}
  pen.fillStyle="#ff5050";pen.font="28px sans-serif";pen.fillText("\\u2605",x-12,y+10)}}
function event(e){if(!quake||e.issued_us>=quake.issued_us)quake=e.kind==="cancel"?null:e;
 let row=document.getElementById("e-"+e.event_id);if(!row){row=document.createElement("tr");row.id="e-"+e.event_id;
  document.querySelector("#events tbody").prepend(row)}
 row.replaceChildren(...[e.event_id,e.version+(e.kind==="cancel"?" cancelled":""),e.origin.magnitude,e.origin.latitude,
  e.origin.longitude,e.origin.depth_km,e.stations,"","","",""].map(v=>{const d=document.createElement("td");d.textContent=v;return d}));
 row.version=e.version;latency({event_id:e.event_id,version:e.version,...e.latency})}
function latency(l){const row=document.getElementById("e-"+l.event_id);if(!row||row.version!==l.version||!l.issued_us)return;
 const cells=[...row.children].slice(-4),ms=t=>t?((t-l.issued_us)/1000).toFixed(0):"";
 [l.p_fourth_us?((l.issued_us-l.p_fourth_us)/1e6).toFixed(1):"",ms(l.first_publish_us)+(l.last_publish_us?" - "+ms(l.last_publish_us):""),
  l.alerts??"",l.receipts?l.received_p50_ms+" / "+l.received_p99_ms+" ("+l.receipts+")":""].forEach((v,i)=>cells[i].textContent=v)}
function pick(p){hits[p.seed_id.split(".").slice(0,2).join(".")]=Date.now();const d=document.createElement("div");
 d.textContent=p.time.slice(11,23)+" "+p.seed_id+" SNR "+p.snr;const list=document.getElementById("picks");list.prepend(d);
 while(list.children.length>200)list.lastChild.remove()}
function open(){const s=new WebSocket((location.protocol==="https:"?"wss":"ws")+"://"+location.host+"/live");
 s.onmessage=m=>{const d=JSON.parse(m.data);if(d.type==="event")event(d);if(d.type==="pick")pick(d);if(d.type==="latency")latency(d);
  if(d.type==="heartbeat"){serviceUs=d.time_us;heardMs=Date.now();const h=document.getElementById("health");h.textContent=d.health;h.className=d.health==="ok"?"ok":"";
   document.getElementById("mode").textContent=d.mode==="actual"?"":d.mode.toUpperCase();
   document.getElementById("clock").textContent=new Date(d.time_us/1000).toISOString().slice(0,19)+"Z"}};
 s.onclose=()=>{document.getElementById("health").textContent="connection lost";setTimeout(open,1000)}}
fetch("stations").then(r=>r.json()).then(all=>{for(const c of all)places[c.seed_id.split(".").slice(0,2).join(".")]=c;
 const la=all.map(c=>c.latitude),lo=all.map(c=>c.longitude);
 box=[Math.min(...lo)-.5,Math.max(...lo)+.5,Math.min(...la)-.5,Math.max(...la)+.5]});
fetch("events").then(r=>r.json()).then(all=>all.reverse().forEach(event));setInterval(draw,100);open();
</script></body></html>
"""
