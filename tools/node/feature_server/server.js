// Serves layers by Esri's own implementation of the GeoServices REST specification: node server.js PORT FOLDER
//
// FOLDER has a GeoJSON file for each service; TOKEN of the environment, where it is set, is what each request must show.
'use strict';
const fs = require('node:fs');
const express = require('express');
const FeatureServer = require('@koopjs/featureserver');

const [port, folder] = process.argv.slice(2);
const base = '/arcgis/rest/services/:service/FeatureServer';
const app = express();

// ArcGIS says that all is well, with the error in the document.
const refuse = (response, code, message) => response.json({ error: { code, message, details: [] } });

app.use(base, (request, response, next) => {
  const shown = request.get('Authorization');
  if (process.env.TOKEN && shown !== `Bearer ${process.env.TOKEN}`) {
    return shown ? refuse(response, 498, 'Invalid token.') : refuse(response, 499, 'Token Required');
  }
  const file = `${folder}/${request.params.service.replace(/[^a-z]/g, '')}.json`;
  if (!fs.existsSync(file)) return refuse(response, 404, 'Service not found');
  response.locals.data = JSON.parse(fs.readFileSync(file, 'utf8'));
  next();
});
app.get(base, (request, response) => FeatureServer.serverInfo(request, response, response.locals.data));
app.get(`${base}/:layer`, (request, response) => FeatureServer.layerInfo(request, response, response.locals.data));
app.get(`${base}/:layer/query`, (request, response) => {
  try {
    FeatureServer.query(request, response, response.locals.data);
  } catch (error) {
    refuse(response, error.code || 400, error.message);
  }
});
app.listen(Number(port), '127.0.0.1');
